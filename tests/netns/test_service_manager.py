# SPDX-License-Identifier: Apache-2.0
"""What vipd tells the service manager: a socket of the test's own stands in for systemd's."""
import os
import signal
import socket

import pytest

from vipdlab import config
from vipdlab.daemon import AddressWatch, Vipd
from vipdlab.netns import wait_for
from vipdlab.scenes import VIP, VrrpPair

CONFIG = config.vrrp_instance(vips=["10.77.0.100/32"])


class Manager:
    """$NOTIFY_SOCKET: what has been said so far, a line each."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.heard = []
        self.store = {}  # name -> descriptor

    def listen(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
            except BlockingIOError:
                return self.heard
            lines = data.decode().splitlines()
            self.heard += lines
            said = dict(line.split("=", 1) for line in lines)
            if "FDSTOREREMOVE" in said and said["FDNAME"] in self.store:
                os.close(self.store.pop(said["FDNAME"]))
            if "FDSTORE" in said:
                assert said["FDNAME"] not in self.store and len(fds) == 1
                self.store[said["FDNAME"]] = fds[0]

    def close(self):
        for fd in self.store.values():
            os.close(fd)
        self.store = {}

    def wait(self, line, times=1):
        wait_for(lambda: self.listen().count(line) >= times, 15, lambda: f"{line}: {self.heard}")


@pytest.fixture
def manager(lab):
    made = Manager(lab.folder)
    yield made
    made.close()
    made.socket.close()


HAND_OVER = """
import fcntl, os, sys
kept = [int(fd) for fd in sys.argv[2].split()]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in kept]
for fd in kept:
    os.close(fd)
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)), LISTEN_FDNAMES=sys.argv[1])
os.execvp(sys.argv[3], sys.argv[3:])
"""


def start(vipd, manager, *environment):
    """With what is in the store handed over as systemd does it: from descriptor 3 on."""
    manager.listen()
    vipd.starts += 1
    vipd.process = vipd.node.start(
        f"vipd-d1-{vipd.starts}",
        ["env", f"NOTIFY_SOCKET={manager.path}", *environment, "/usr/bin/python3", "-c", HAND_OVER,
         ":".join(manager.store), " ".join(map(str, manager.store.values())), *vipd.argv()],
        pass_fds=list(manager.store.values()))


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
    assert manager.listen().count("STOPPING=1") == 1
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


SYSTEMD = """
import sys
import dbus, dbus.service, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
name = dbus.service.BusName("org.freedesktop.systemd1", bus)
class Manager(dbus.service.Object):
    @dbus.service.method("org.freedesktop.systemd1.Manager", in_signature="u", out_signature="o")
    def GetUnitByPID(self, pid):
        return "/unit"
class Properties(dbus.service.Object):
    def __init__(self, path, values):
        super().__init__(bus, path)
        self.values = values
    @dbus.service.method("org.freedesktop.DBus.Properties", in_signature="ss", out_signature="v")
    def Get(self, interface, key):
        return self.values[key]
manager = Manager(bus, "/org/freedesktop/systemd1")
job = (dbus.UInt32(7), dbus.ObjectPath("/job"))
unit = Properties("/unit", {"Job": dbus.Struct(job, signature="uo")})
job = Properties("/job", {"JobType": sys.argv[2]})
print("ready", flush=True)
GLib.MainLoop().run()
"""


def systemd(node, job):
    """A bus of the test's own, and on it a systemd that is just doing such a job; its address."""
    address = f"unix:path={node.folder()}/bus"
    bus = node.start("bus", ["dbus-daemon", "--session", "--nofork", "--nopidfile",
                             f"--address={address}"])
    wait_for(lambda: os.path.exists(f"{node.folder()}/bus"), 10, bus.tail)
    fake = node.start("systemd", ["/usr/bin/python3", "-c", SYSTEMD, address, job])
    wait_for(lambda: "ready" in fake.log(), 10, fake.tail)
    return f"DBUS_SYSTEM_BUS_ADDRESS={address}"


@pytest.fixture
def pair(lab, manager):
    """d1 is the master, under the manager's care; d2 hears each advert that is late."""
    made = VrrpPair(lab, start=False, advert_int=1)
    start(made.d1, manager)
    made.d1.wait_ready()
    made.d2.start()
    made.wait_master(made.d1)
    return made


def took_up(pair, before):
    """The next core has the roles, with a vrrp process of its own, and nobody has noticed."""
    d1 = pair.d1
    d1.wait_ready()
    wait_for(lambda: d1.role_pid("vrrp") not in (None, before), 10, "a vrrp process of its own")
    wait_for(lambda: not os.path.exists(f"/proc/{before}"), 10, "the end of the one before")
    d1.wait_state("MASTER")
    assert pair.d2.counter("become_master") == 0
    assert pair.masters() == ["d1"]


def test_the_death_of_core_is_no_event_on_the_network(lab, manager, pair):
    d1 = pair.d1
    vrrp = d1.role_pid("vrrp")
    with AddressWatch(d1.node.ns) as addresses:
        for _ in range(2):
            os.kill(d1.process.popen.pid, signal.SIGKILL)
            d1.process.wait()
            assert os.path.exists(f"/proc/{vrrp}")
            start(d1, manager)
            took_up(pair, vrrp)
            vrrp = d1.role_pid("vrrp")
        assert addresses.of(VIP) == []
    # And the end of it all is as ever.
    d1.process.signal(signal.SIGTERM)
    assert d1.process.wait() == 0
    manager.listen()
    assert manager.store == {}
    pair.wait_master(pair.d2)
    assert not d1.has(VIP)


def test_a_manager_that_gives_up_makes_vrrp_resign(lab, manager, pair):
    d1 = pair.d1
    vrrp = d1.role_pid("vrrp")
    os.kill(d1.process.popen.pid, signal.SIGKILL)
    d1.process.wait()
    manager.listen()
    assert set(manager.store) == {"vipd-vrrp", "vipd-resume"}
    manager.close()
    wait_for(lambda: not os.path.exists(f"/proc/{vrrp}"), 10, "the end of vrrp")
    assert not d1.has(VIP)
    pair.wait_master(pair.d2)
    assert "the master has resigned" in str(pair.d2.status()["failovers"][-1])


def test_with_core_and_vrrp_dead_nothing_is_taken_up(lab, manager, pair):
    d1 = pair.d1
    vrrp = d1.role_pid("vrrp")
    # Core first: it would start another one.
    for pid in (d1.process.popen.pid, vrrp):
        os.kill(pid, signal.SIGKILL)
    d1.process.wait()
    wait_for(lambda: not os.path.exists(f"/proc/{vrrp}"), 10, "the end of vrrp")
    start(d1, manager)
    d1.wait_ready()
    pair.wait_master(d1)
    assert "is still there" not in d1.process.log()


@pytest.mark.parametrize("job", ["restart", "stop"])
def test_a_restart_is_no_event_on_the_network_and_a_stop_is(lab, manager, job):
    pair = VrrpPair(lab, start=False, advert_int=1)
    d1 = pair.d1
    start(d1, manager, systemd(d1.node, job))
    d1.wait_ready()
    pair.d2.start()
    pair.wait_master(d1)
    vrrp = d1.role_pid("vrrp")
    d1.process.signal(signal.SIGTERM)
    assert d1.process.wait() == 0
    if job == "stop":
        pair.wait_master(pair.d2)
        assert not os.path.exists(f"/proc/{vrrp}")
        return
    assert os.path.exists(f"/proc/{vrrp}")
    assert d1.has(VIP)
    start(d1, manager)
    took_up(pair, vrrp)


def test_an_instance_that_the_next_core_does_not_have_is_given_up(lab, manager, pair):
    d1 = pair.d1
    vrrp = d1.role_pid("vrrp")
    os.kill(d1.process.popen.pid, signal.SIGKILL)
    d1.process.wait()
    d1.write(config.global_defs("d1"))
    start(d1, manager)
    d1.wait_ready()
    wait_for(lambda: manager.listen() and not os.path.exists(f"/proc/{vrrp}"), 10,
             "the end of vrrp")
    pair.wait_master(pair.d2)
    assert not d1.has(VIP)


def test_a_restart_leaves_the_flows_in_the_checkpoint_too(lab, manager):
    """What is started next may have maps of another layout."""
    vipd = Vipd(lab.node("d1", "10.77.0.11/24", xdp=True), CONFIG + config.virtual_server(
        VIP, 80, ["10.77.0.21"], check=None))
    start(vipd, manager, systemd(vipd.node, "restart"), f"STATE_DIRECTORY={vipd.node.folder()}")
    vipd.wait_ready()
    kept = vipd.status()["checkpoint"]["path"]
    assert not os.path.exists(kept)
    vipd.process.signal(signal.SIGTERM)
    assert vipd.process.wait() == 0
    assert os.path.getsize(kept) > 0
