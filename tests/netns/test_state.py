# SPDX-License-Identifier: Apache-2.0
"""What a director knows outlives it: the checkpoint, drains, and the record of takeovers."""
import os
import shutil
import socket
import threading
import time

import pytest

from vipdlab import config
from vipdlab.daemon import AddressWatch
from vipdlab.lab import build_path
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, REALS, VIP, Balancer, VrrpPair

ECHO = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 512
Server(("", 80), Echo).serve_forever()
"""


def echo_balancer(lab, *vipd_lines, **keywords):
    """A director with no health checks in front of servers that send each line back."""
    scene = Balancer(lab, nginx=False, check=None, vipd_lines=["flow_table_size 4096", *vipd_lines],
                     directors=("d1",), start=False, **keywords)
    for role, node in scene.reals.items():
        node.start(f"echo-{role}", ["/usr/bin/python3", "-c", ECHO])
    return scene, scene.directors["d1"]


def keep_checkpoint(vipd):
    """As systemd does with StateDirectory=; where the file will be."""
    argv = vipd.argv()
    vipd.argv = lambda: ["env", f"STATE_DIRECTORY={vipd.node.folder()}", *argv]
    return f"{vipd.node.folder()}/flows-{vipd.instance}"


def rewrite(vipd, old, new):
    with open(vipd.config_path, encoding="utf-8") as file:
        text = file.read()
    assert old in text
    vipd.node.write(f"{vipd.program}.conf", text.replace(old, new))


def connect(scene, count):
    with scene.client.inside():
        return [socket.create_connection((VIP, 80), timeout=5) for _ in range(count)]


def talk(connections):
    """How many of them send back what they are told."""
    good = 0
    for connection in connections:
        try:
            connection.sendall(b"x\n")
            good += connection.recv(10) == b"x\n"
        except OSError:
            pass
    return good


def reboot(d1):
    """Nothing is left of what was in memory: no process, no program, no map."""
    d1.stop()
    shutil.rmtree(d1.pins)


def test_connections_outlive_a_reboot_by_the_checkpoint(lab):
    scene, d1 = echo_balancer(lab, vrrp=False)
    path = keep_checkpoint(d1)
    d1.node.ip(f"addr add {VIP}/32 dev eth0")
    d1.start()
    scene.wait_ready()
    connections = connect(scene, 40)
    assert talk(connections) == 40
    before = {(f["client"], f["real"]) for f in d1.flows("state=ESTABLISHED")}
    assert len(before) == 40
    reboot(d1)
    d1.start()
    scene.wait_ready()
    assert d1.status()["checkpoint"]["restored"] >= 40
    assert {(f["client"], f["real"]) for f in d1.flows("state=ESTABLISHED")} == before
    assert talk(connections) == 40


def test_the_checkpoint_is_where_and_as_often_as_the_file_says(lab):
    scene, d1 = echo_balancer(lab, "checkpoint_interval 1", vrrp=False)
    path = f"{d1.node.folder()}/kept"
    rewrite(d1, "checkpoint_interval 1", f"checkpoint_interval 1\ncheckpoint {path}")
    d1.node.ip(f"addr add {VIP}/32 dev eth0")
    d1.start()
    scene.wait_ready()
    connections = connect(scene, 5)
    assert talk(connections) == 5
    wait_for(lambda: d1.status()["checkpoint"]["flows"] == 5, 10, "the file to be written")
    assert os.stat(path).st_mode & 0o777 == 0o600
    rewrite(d1, f"checkpoint {path}", "checkpoint off")
    d1.reload()
    wait_for(lambda: d1.status()["checkpoint"] is None, 5, "it to be given up")


@pytest.mark.parametrize("damage", ["bit", "cut", "foreign", "none"])
def test_a_checkpoint_that_cannot_be_taken_is_said_and_nothing_else(lab, damage):
    scene, d1 = echo_balancer(lab, vrrp=False)
    path = keep_checkpoint(d1)
    d1.node.ip(f"addr add {VIP}/32 dev eth0")
    d1.start()
    scene.wait_ready()
    connections = connect(scene, 5)
    assert talk(connections) == 5
    reboot(d1)
    with open(path, "rb") as file:
        good = file.read()
    bad = {"bit": good[:60] + bytes([good[60] ^ 1]) + good[61:], "cut": good[:-20],
           "foreign": b"#!/bin/sh\nexit 0\n", "none": None}[damage]
    os.unlink(path)
    if bad is not None:
        with open(path, "wb") as file:
            file.write(bad)
        os.chmod(path, 0o600)
    d1.start()
    scene.wait_ready()
    problem = d1.status()["checkpoint"]["problem"]
    assert ("digest" in problem, "no checkpoint" in problem) == (damage in ("bit", "cut"),
                                                                 damage == "foreign")
    assert d1.status()["checkpoint"]["restored"] == 0
    assert d1.flows() == []
    assert talk(connect(scene, 4)) == 4


def test_drain_of_a_real_server_ends_with_its_last_connection(lab):
    scene, d1 = echo_balancer(lab, vrrp=False)
    d1.node.ip(f"addr add {VIP}/32 dev eth0")
    d1.start()
    scene.wait_ready()
    connections = connect(scene, 20)
    r1 = f"{REALS['r1']}:80"
    wait_for(lambda: d1.flow_count("state=ESTABLISHED", f"real={r1}") == 10, 5, "10 connections")
    told = d1.vipctl("drain", "real", r1, "--no-wait").stdout
    assert told == f"draining real {r1}\n"
    # Those that are open go on, new ones go elsewhere.
    more = connect(scene, 20)
    assert talk(connections + more) == 40
    assert d1.flow_count("state=ESTABLISHED", f"real={r1}") == 10

    def drain():
        return d1.status()["drains"][0]

    wait_for(lambda: drain()["connections"] == 10, 5, lambda: f"{drain()}")
    assert (drain()["state"], drain()["target"]) == ("draining", f"real {r1}")
    # Through a reload it stays so.
    d1.reload()
    wait_for(lambda: d1.status()["config"]["generation"] == 2, 5, "the reload")
    assert d1.real(REALS["r1"])["effective_weight"] == 0
    client_ports = {f["client"] for f in d1.flows("state=ESTABLISHED", f"real={r1}")}
    for connection in connections:
        if f"{CLIENT}:{connection.getsockname()[1]}" in client_ports:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
    done = d1.vipctl("drain", "real", r1, "--limit", "20")
    assert "drained in" in done.stdout
    assert d1.vipctl("undrain", "real", r1).stdout == f"real {r1} takes new connections again\n"
    assert d1.status()["drains"] == []
    again = connect(scene, 4)
    assert talk(again) == 4
    assert d1.flow_count("state=ESTABLISHED", f"real={r1}") > 0


def test_what_is_not_there_cannot_be_drained(lab):
    scene, d1 = echo_balancer(lab, vrrp=False)
    d1.start()
    for words in (["real", "10.77.0.99:80"], ["service", "10.77.0.99:80/TCP"]):
        refused = d1.vipctl("drain", *words, check=False)
        assert refused.returncode == 1
        assert "there is no such" in refused.stderr
    assert d1.vipctl("undrain", "node", check=False).returncode == 1
    # A whole service, and what was asked for too late.
    service = f"{VIP}:80/TCP"
    assert d1.vipctl("drain", "service", service).stdout.endswith("(0 connections left)\n")
    assert {r["effective_weight"] for r in d1.status()["services"][0]["reals"]} == {0}
    assert scene.get(check=False) == ""


def test_a_node_that_is_drained_gives_its_vips_away_and_says_how_the_other_took_them(lab):
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    pair.d1.vipctl("drain", "node", "--no-wait")
    pair.wait_master(pair.d2)
    failover = wait_for(lambda: pair.d2.status()["failovers"], 5, "d2's takeover")[-1]
    assert failover["reason"] == "the master has resigned"
    assert 0 <= failover["detection_us"] < 1_000_000
    assert "the master has resigned" in pair.d2.vipctl("failovers").stdout
    # It does not take them back by itself, but again when it is told to.
    assert pair.d1.status()["drains"][0]["target"] == "node"
    pair.d1.vipctl("undrain", "node")
    pair.wait_master(pair.d1)
    assert pair.d1.status()["failovers"][-1]["reason"] == "preempted a lower priority"
    pair.d1.node.link(up=False)
    pair.d1.kill()
    pair.wait_master(pair.d2)
    wait_for(lambda: pair.d2.status()["failovers"][-1]["reason"] == "the master was silent", 5,
             lambda: f"{pair.d2.status()['failovers']}")


def test_vrrp_waits_for_sync_and_says_how_long(lab):
    scene = Balancer(lab, nginx=False, check=None, start=False)
    d1 = scene.directors["d1"]
    d1.start(ready=False)
    gate = wait_for(lambda: (d1.try_status() or {}).get("sync", {}).get("gate_ms"), 10, "the gate")
    assert gate <= 5000
    d1.wait_log("not synced within 5 s; VRRP starts all the same", 10)
    d1.wait_state("MASTER")
    assert d1.status()["sync"]["gate_ms"] is None
    # As long as the file says; 0: not at all.
    d1.stop()
    rewrite(d1, "sync {", "sync {\nwait_limit 1.5")
    d1.start(ready=False)
    d1.wait_log("not synced within 1.5 s; VRRP starts all the same", 10)
    d1.stop()
    rewrite(d1, "wait_limit 1.5", "wait_limit 0")
    d1.start()
    d1.wait_state("MASTER")
    assert "not synced" not in d1.process.log()




UDP_PORT = 7777
RCVBUFFORCE = 33  # SO_RCVBUFFORCE, which Python does not name
UDP_ECHO = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, {RCVBUFFORCE}, 8 << 20)
s.bind(("{VIP}", {UDP_PORT}))
while True:
    s.sendto(*s.recvfrom(64))
"""


class Numbers:
    """A numbered datagram each half millisecond, and which of them came back."""

    def __init__(self, node):
        with node.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 8 << 20)
        self.socket.settimeout(0.2)
        self.sent, self.back, self.stop = 0, set(), False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.send, self.hear)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while not self.stop:
            self.socket.sendto((self.sent + 1).to_bytes(8, "big"), (VIP, UDP_PORT))
            self.sent += 1
            time.sleep(0.0005)

    def hear(self):
        while not self.stop or len(self.back) < self.sent:
            try:
                self.back.add(int.from_bytes(self.socket.recv(64), "big"))
            except TimeoutError:
                if self.stop:
                    return

    def finish(self, since):
        """Which of those sent after number `since` have not come back."""
        self.stop = True
        for thread in self.threads:
            thread.join()
        self.socket.close()
        return sorted(set(range(since + 1, self.sent + 1)) - self.back)


def test_an_upgrade_costs_no_packet_and_nobody_notices(lab, figure):
    scene = Balancer(lab, check=None, start=False)
    for role, vipd in scene.directors.items():
        vipd.write(scene.text(role) + config.virtual_server(
            VIP, UDP_PORT, [REALS[r] for r in scene.reals], algo="rr", check=None, protocol="UDP"))
        vipd.start()
    scene.wait_ready()
    d1, d2 = scene.directors.values()
    for role, node in scene.reals.items():
        node.start(f"udp-{role}", ["/usr/bin/python3", "-c", UDP_ECHO])
    numbers = Numbers(scene.client)
    # The first ones wait for neighbours to be resolved, and some of them in vain.
    wait_for(lambda: len(numbers.back) > 100, 10, "echoes")
    begun = numbers.sent
    before = d1.status()
    flows = {(f["protocol"], f["client"], f["real"]) for f in d1.flows()}
    packets = d1.status()["services"][1]["counters"]["packets"]
    with AddressWatch(d1.node.ns) as addresses:
        assert "vipd " in d1.vipctl("upgrade", timeout=30).stdout
        d1.wait_synced()
        after = wait_for(lambda: all(p["state"] == "running" for p in d1.status()["processes"])
                         and d1.status(), 10, lambda: f"{d1.status()['processes']}")
        sent = numbers.sent
        wait_for(lambda: numbers.sent > sent + 500, 10, "some more datagrams")
        assert addresses.of(VIP) == []
    lost = numbers.finish(begun)
    figure("datagrams", numbers.sent - begun)
    figure("lost", len(lost))
    assert lost == []
    assert after["pid"] == before["pid"]
    assert after["uptime_ms"] < before["uptime_ms"] or after["started"] >= before["started"]
    assert flows <= {(f["protocol"], f["client"], f["real"]) for f in d1.flows()}
    assert d1.status()["services"][1]["counters"]["packets"] > packets
    assert d1.state() == "MASTER"
    assert d2.counter("become_master") == 0
    assert d2.vrrp()["state"] == "BACKUP"
    # What is there now can be stopped as the one before: the other takes over.
    d1.stop()
    d2.wait_vip(VIP)


def test_an_upgrade_to_what_does_not_fit_touches_nothing(lab):
    scene, d1 = echo_balancer(lab)
    program = os.path.join(lab.folder, "vipd")
    shutil.copy(build_path("bin/vipd"), program)
    d1.argv = lambda: [program, "-n", "-l", "-f", d1.config_path]
    d1.start()
    scene.wait_ready()
    connections = connect(scene, 4)
    before = d1.status()
    for text, why in (("#!/bin/sh\necho 99\n", "another layout (99"),
                      ("#!/bin/sh\nexit 1\n", "cannot be run")):
        os.unlink(program)
        with open(os.open(program, os.O_WRONLY | os.O_CREAT, 0o755), "w", encoding="ascii") as file:
            file.write(text)
        refused = d1.vipctl("upgrade", check=False)
        assert refused.returncode == 1
        assert why in refused.stderr
    assert d1.status()["pid"] == before["pid"]
    assert d1.status()["uptime_ms"] >= before["uptime_ms"]
    assert talk(connections) == 4
