# SPDX-License-Identifier: Apache-2.0
"""The checkers that ask by other protocols than HTTP, on the wire of a lab."""
import os

import pytest

from vipdlab import config
from vipdlab.daemon import Vipd
from vipdlab.netns import wait_for

REAL = "10.77.0.21"
SERVER = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))),
                      "support", "checkable.py")

#: checker, what the server then has to answer with
CHECKS = {
    "ping": "PING_CHECK {\n connect_timeout 1\n }",
    "dns": "DNS_CHECK {\n type A\n name www.example.org\n connect_timeout 1\n }",
    "udp": "UDP_CHECK {\n connect_port 53\n payload 70696e67\n require_reply 70xxxx67\n"
           " connect_timeout 1\n }",
    "smtp": "SMTP_CHECK {\n connect_port 2525\n connect_timeout 1\n helo_name lb1\n }",
    "regex": "HTTP_GET {\n connect_port 8080\n connect_timeout 1\n url {\n path /\n"
             " regex \"^all is w.ll$\"\n regex_options multiline\n }\n }",
    "ssl": "SSL_GET {\n connect_port 8443\n connect_timeout 1\n enable_sni\n url {\n path /\n"
           " virtualhost www.example.org\n status_code 200\n }\n }",
}


@pytest.mark.parametrize("kind", CHECKS)
def test_up_with_a_server_that_answers_and_down_without(lab, kind):
    real = lab.node("r1", f"{REAL}/24")
    certificate = f"{real.folder()}/server.pem"
    real.cmd(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
              "/CN=www.example.org", "-keyout", certificate, "-out", f"{certificate}.crt"])
    server = real.start("server", ["/usr/bin/python3", SERVER, certificate])
    vipd = Vipd(lab.node("d1", "10.77.0.11/24", xdp=True), config.virtual_server(
        "10.77.0.100", 53 if kind in ("dns", "udp") else 80, [REAL],
        protocol="UDP" if kind in ("dns", "udp") else "TCP", check=CHECKS[kind],
        lines=("alpha",)))
    vipd.start()
    port = 53 if kind in ("dns", "udp") else 80
    vipd.wait_real(REAL, True, port=port)
    if kind == "ping":
        real.link(up=False)
    else:
        server.stop()
    wait_for(lambda: not vipd.real(REAL, port)["alive"], 20, lambda: f"down: {vipd.real(REAL, port)}")
    assert vipd.real(REAL, port)["reason"]
