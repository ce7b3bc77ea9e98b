# SPDX-License-Identifier: Apache-2.0
"""What vipd tells the service manager: a socket of the test's own stands in for systemd's."""
import os
import signal
import socket

import pytest

from vipdlab import config
from vipdlab.daemon import Vipd
from vipdlab.netns import wait_for

CONFIG = config.vrrp_instance(vips=["10.77.0.100/32"])


class Manager:
    """$NOTIFY_SOCKET: what has been said so far, a line each."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.heard = []

    def listen(self):
        while True:
            try:
                self.heard += self.socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return self.heard

    def wait(self, line, times=1):
        wait_for(lambda: self.listen().count(line) >= times, 15, lambda: f"{line}: {self.heard}")


@pytest.fixture
def manager(lab):
    made = Manager(lab.folder)
    yield made
    made.socket.close()


def start(vipd, manager, *environment):
    vipd.process = vipd.node.start("vipd-d1", ["env", f"NOTIFY_SOCKET={manager.path}", *environment,
                                               *vipd.argv()])


def test_ready_reloading_stopping(lab, manager):
    vipd = Vipd(lab.node("d1", "10.77.0.11/24"), CONFIG)
    start(vipd, manager)
    manager.wait("READY=1")
    assert vipd.try_status(), "ready before it answers"
    vipd.reload()
    manager.wait("READY=1", times=2)
    assert manager.heard.index("RELOADING=1") > manager.heard.index("READY=1")
    vipd.write(CONFIG + "vrrp_instance VI_2 {\n    interface nosuch9\n}\n")
    vipd.reload()
    vipd.wait_log("Reload refused")
    vipd.process.signal(signal.SIGTERM)
    assert vipd.process.wait() == 0
    assert manager.listen()[-1] == "STOPPING=1"
    assert manager.heard.count("RELOADING=1") == 1, "a refused reload was announced"
    assert "WATCHDOG=1" not in manager.heard


def test_watchdog_is_fed_while_the_loop_turns_and_not_when_it_stands(lab, manager):
    vipd = Vipd(lab.node("d1", "10.77.0.11/24"), CONFIG)
    start(vipd, manager, "WATCHDOG_USEC=400000")
    manager.wait("WATCHDOG=1", times=4)
    os.kill(vipd.status()["pid"], signal.SIGSTOP)
    try:
        # What was on its way is read; a loop that stands says no more.
        wait_for(lambda: before_and_after(manager), 15, "silence")
    finally:
        os.kill(vipd.process.popen.pid, signal.SIGCONT)
    count = manager.listen().count("WATCHDOG=1")
    manager.wait("WATCHDOG=1", times=count + 2)


def before_and_after(manager):
    """True when a second's listening, more than twice the watchdog's time, has heard nothing new."""
    before = len(manager.listen())
    try:
        wait_for(lambda: len(manager.listen()) > before, 1, "a word")
    except Exception:  # noqa: BLE001  (the time-out is what is hoped for)
        return True
    return False


def test_scripts_do_not_inherit_the_socket(lab, manager):
    node = lab.node("d1", "10.77.0.11/24")
    out = os.path.join(lab.folder, "environment")
    script = node.write("notify.sh", f"#!/bin/sh\nenv > {out}.new && mv {out}.new {out}\n")
    os.chmod(script, 0o755)
    vipd = Vipd(node, config.vrrp_instance(vips=["10.77.0.100/32"], version=3, advert_int=0.1,
                                           lines=(f'notify_master "{script}"',)))
    start(vipd, manager, "WATCHDOG_USEC=4000000")
    wait_for(lambda: os.path.exists(out), 15, "the script's environment")
    with open(out, encoding="utf-8") as file:
        names = {line.split("=")[0] for line in file}
    assert not names & {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}
