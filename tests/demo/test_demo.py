# SPDX-License-Identifier: Apache-2.0
"""tools/demo keeps its promises and leaves nothing behind, however it ends."""
import glob
import json
import os
import re
import signal
import subprocess

import pytest

from vipdlab import lab as laboratory
from vipdlab.lab import BPFFS, ROOT, RUNTIME, remains
from vipdlab.netns import wait_for

STEPS = ["stop real server r2", "graceful handover", "kill the master", "bring it back"]
KEYS = ["name", "open", "broken", "broken_unexpected", "failed_requests", "longest_gap_ms"]

INSTANCES = ("demo-d1", "demo-d2")


def demo(*words):
    return [os.path.join(ROOT, "tools/demo"), "--no-build", *words]


def run(log_folder, *words, timeout=240):
    """The demo, run to its end; its output is kept with the logs."""
    done = subprocess.run(demo(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    with open(os.path.join(log_folder, "demo.log"), "w", encoding="utf-8") as log:
        log.write(done.stdout)
    return done


def left_behind():
    """Everything that a demo makes and that is there now."""
    spaces, folders = remains("demo")
    found = spaces + folders
    found += [path for name in INSTANCES for path in
              (f"{BPFFS}/vipd/{name}", f"{RUNTIME}/{name}") if os.path.exists(path)]
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if "/vipd-demo-" in words or "demo.d/" in words:
            found.append(words)
    return found


def pids_of(*parts):
    """Processes of a demo whose command line has all of these in it."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                words = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if "/vipd-demo-" in words and all(part in words for part in parts):
            found.append(int(path.split("/")[2]))
    return found


def clean(dead_only):
    """Takes away what is left, if nobody's demo runs: each demo takes the lock for itself."""
    held = laboratory.lock("demo")
    if held is None:
        pytest.fail("a tools/demo is running on this machine: wait for its end, or stop it")
    try:
        if dead_only and laboratory.kept("demo"):
            pytest.fail("a lab of tools/demo --keep is up: take it away with tools/demo --clean")
        left = left_behind()
        laboratory.clean("demo", instances=INSTANCES, dead_only=dead_only)
        return left
    finally:
        os.close(held)


@pytest.fixture(autouse=True)
def nothing_left():
    clean(dead_only=True)
    yield
    assert clean(dead_only=False) == []


@pytest.mark.parametrize("words, connections", [([], 1000), (["--tun"], 300)], ids=["dr", "tun"])
def test_no_connection_is_lost_that_need_not_be(log_folder, words, connections):
    table = os.path.join(log_folder, "table.json")
    done = run(log_folder, "--json", table, "--connections", str(connections), *words)
    assert done.returncode == 0, done.stdout
    with open(table, encoding="utf-8") as file:
        written = json.load(file)
    assert list(written) == ["steps"]
    steps = written["steps"]
    assert [step["name"] for step in steps] == STEPS
    for step in steps:
        assert list(step) == KEYS
        assert step["open"] >= connections
        assert step["broken_unexpected"] == 0
    stopped, *others = steps
    assert 0 < stopped["broken"] < connections, "the stopped server had its share"
    assert [step["broken"] for step in others] == [0, 0, 0]
    # Not even one whose connection is younger than the sync's delay (some 10 ms), though rr would give
    # it another server: the new director waits for what the old one is still telling.
    assert others[0]["failed_requests"] == 0, "a graceful handover loses requests"


def test_a_demo_that_fails_writes_the_table_so_far(tmp_path):
    table = tmp_path / "table.json"
    process = subprocess.Popen(demo("--connections", "50", "--json", str(table)),
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("(2) graceful handover"):
                break
        for pid in pids_of("bin/vipd", "/d2/"):
            os.kill(pid, signal.SIGKILL)
        text, _ = process.communicate(timeout=90)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1, text
    assert "The demo failed" in text
    steps = json.loads(table.read_text())["steps"]
    assert [step["name"] for step in steps] == STEPS[:1]
    assert list(steps[0]) == KEYS
    # "all requests are answered again, by r1 26, r3 25": requests, of which r2 has none.
    said = next(line for line in lines if "all requests are answered again, by" in line)
    assert re.search(r"by r1 \d+, r3 \d+$", said.strip()), said
    answered = sum(map(int, re.findall(r"r\d (\d+)", said)))
    assert answered >= 40, "a second of requests, 50 of them"


def test_clean_neither_installs_nor_builds():
    done = subprocess.run(["bash", "-x", os.path.join(ROOT, "tools/demo"), "--clean"],
                          capture_output=True, text=True, timeout=60, check=True)
    assert "failover.py --clean" in done.stderr
    assert "dev/packages" not in done.stderr
    assert "dev/build" not in done.stderr


def test_the_two_nginx_pair_moves_and_comes_back(log_folder):
    done = run(log_folder, "nginx-pair", timeout=120)
    assert done.returncode == 0, done.stdout
    assert "-        auth_pass letmein" in done.stdout
    assert "+        auth_pass 123456" in done.stdout
    assert "nginx of master stopped: slave has 172.20.128.4" in done.stdout
    assert "nginx of master started: master has 172.20.128.4" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("moment", ["vipd, priority 150", "downloads run"])
def test_interrupted_it_leaves_nothing(number, moment):
    process = subprocess.Popen(demo("--connections", "50"), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        assert any(moment in line for line in process.stdout), "the demo ended before"
        process.send_signal(number)
        text, _ = process.communicate(timeout=30)
        assert process.returncode == 130, text
        assert "interrupted" in text
    finally:
        process.kill()
        process.wait()


def test_what_a_killed_demo_left_is_cleaned_by_the_next():
    process = subprocess.Popen(demo("--connections", "50"), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        assert any("downloads run" in line for line in process.stdout), "the demo ended before"
    finally:
        process.kill()
        process.wait()
    assert left_behind() != [], "nothing could be done about SIGKILL"
    subprocess.run(demo("--clean"), check=True, timeout=60)
    wait_for(lambda: left_behind() == [], 5, lambda: f"all gone: {left_behind()}")


def test_kept_lab_can_be_looked_into(log_folder):
    done = run(log_folder, "--connections", "50", "--keep")
    assert done.returncode == 0, done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    # Every command that it prints must work as printed.
    begin = next(i for i, line in enumerate(lines) if line.startswith("The lab is still up"))
    commands = [line.split("   ")[0] for line in lines[begin + 1:lines.index(
        next(line for line in lines if line.startswith("Configuration and logs")))]]
    assert len(commands) >= 5
    try:
        for command in commands:
            shown = subprocess.run(["sh", "-c", command], capture_output=True, text=True,
                                   timeout=30, cwd=os.getcwd())
            assert shown.returncode == 0, f"{command}: {shown.stderr}"
            assert shown.stdout.strip(), command
    finally:
        subprocess.run(demo("--clean"), check=True, timeout=60)
