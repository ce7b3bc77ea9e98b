# SPDX-License-Identifier: Apache-2.0
"""genhash asks and prints what keepalived's does."""
import http.server
import subprocess
import threading

import pytest

from vipdlab.lab import build_path


class Pages(http.server.BaseHTTPRequestHandler):
    heads = []

    def do_GET(self):
        Pages.heads.append((self.requestline, {k: v for k, v in self.headers.items()}))
        body = f"page {self.path}".encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    server = http.server.HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    Pages.heads = []
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def run(program, *words):
    return subprocess.run([*program, *words], capture_output=True, text=True, check=False, timeout=20)


OURS = ([build_path("bin/genhash")], [build_path("bin/vipd"), "-T"])
THEIRS = ["/usr/bin/genhash"]


@pytest.mark.parametrize("words", [
    ["-u", "/x"], ["--url", "/none"], ["-u", "/x", "-V", "www.example.org"], ["-u", "/x", "-P", "1.0c"],
    ["-u", "/x", "-P", "1.1"], ["-u", "/x", "-t", "3"]])
def test_the_digest_and_the_request_are_keepalived_s(port, words):
    where = ["-s", "127.0.0.1", "-p", str(port)]
    theirs = run(THEIRS, *where, *words)
    assert len(theirs.stdout.strip()) == 32
    for program in OURS:
        ours = run(program, *where, *words)
        assert (ours.returncode, ours.stdout) == (0, theirs.stdout), ours.stderr
    wanted = Pages.heads[0]
    for line, headers in Pages.heads[1:]:
        assert line == wanted[0]
        assert headers.get("User-Agent") == wanted[1].get("User-Agent")
        assert headers.get("Host") == wanted[1].get("Host")
        assert headers.get("Connection") == wanted[1].get("Connection")


def test_mistakes_and_failures_are_no_digest():
    for program in OURS:
        for words in (["-p", "80"], ["--nosuch"], ["-s", "127.0.0.1", "-p", "1", "-u", "/x"],
                      ["-s", "127.0.0.1", "-p", "80", "-u", "/", "-P", "3"]):
            done = run(program, *words)
            assert (done.returncode, done.stdout) == (1, ""), words
            assert done.stderr
        assert run(program, "-h").returncode == 0
