# SPDX-License-Identifier: Apache-2.0
"""Connections that the standby knows before it needs them."""
import os
import random
import socket
import struct
import time

import pytest

from vipdlab import netns
from vipdlab.load import Load
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, DIRECTORS, VIP, Balancer

SYNC_PORT = 8849


def flow_of(vipd, port):
    return vipd.flows(f"client={CLIENT}:{port}")


def open_download(scene):
    """A download that has begun: the socket and its port."""
    with scene.client.inside():
        connection = socket.create_connection((VIP, 80), timeout=5)
    connection.sendall(b"GET /download HTTP/1.0\r\n\r\n")
    assert connection.recv(64)
    return connection, connection.getsockname()[1]


def test_a_new_connection_is_at_the_standby_within_100_ms(lab, record_property):
    scene = Balancer(lab)
    d1, d2 = scene.directors.values()
    slowest = 0.0
    for _ in range(5):
        connection, port = open_download(scene)
        start = time.monotonic()
        here = wait_for(lambda port=port: flow_of(d1, port), 1, "the flow at the master")
        there = wait_for(lambda port=port: flow_of(d2, port), 1, "the flow at the standby",
                         interval=0.005)
        slowest = max(slowest, time.monotonic() - start)
        assert there[0]["real"] == here[0]["real"]
        assert there[0]["state"] == "ESTABLISHED"
        connection.close()
    record_property("slowest_ms", round(slowest * 1000))
    # Includes running vipctl; 100 ms is the promise, the rest is the machine's.
    assert slowest < 0.25


def test_a_joining_node_gets_what_was_there_before_it(lab):
    scene = Balancer(lab, start=False)
    d1, d2 = scene.directors.values()
    d1.start()
    for role in scene.reals:
        d1.wait_real(scene.reals[role].address, True)
    d1.wait_vip(VIP)
    load = Load(scene.client, VIP)
    load.open(200)
    d2.start()
    d2.wait_synced()
    assert len(d2.flows("state=ESTABLISHED")) >= 200
    assert d2.flows("state=ESTABLISHED")[0]["synced"]


def test_downloads_outlive_their_director(lab):
    scene = Balancer(lab)
    d1, d2 = scene.directors.values()
    load = Load(scene.client, VIP)
    load.open(100)
    wait_for(lambda: len(d2.flows("state=ESTABLISHED")) >= 100, 5, "100 flows at the standby")
    load.begin_step()
    d1.node.link(up=False)
    d1.kill()
    d2.wait_vip(VIP)
    report = load.settle()
    assert (report["open"], report["broken"]) == (100, {})
    assert load.silent(2) == {}


PREAMBLE = struct.pack("!4sBB", b"VSYN", 1, 1)


@pytest.mark.parametrize("data", [
    pytest.param(random.Random(6).randbytes(4096), id="garbage"),
    pytest.param(bytes(4096), id="zeros"),
    pytest.param(b"V", id="truncated"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n" * 10, id="http"),
    pytest.param(PREAMBLE + b"\xff" * 4096, id="huge-length"),
])
def test_forged_sync_is_counted_and_dropped(lab, data):
    """From a peer's own address, since others are turned away before a byte is read."""
    scene = Balancer(lab)
    d1, d2 = scene.directors.values()

    before = d1.sync_rejects()
    with d2.node.inside():
        connection = socket.create_connection((DIRECTORS["d1"][0], SYNC_PORT), timeout=5)
    with connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
        except OSError:
            pass  # turned away while we were still talking
    wait_for(lambda: d1.sync_rejects() > before, 10, lambda: f"a reject: {d1.status()['sync']}")
    assert d1.running()
    d1.wait_synced()
    d2.wait_synced()


def test_a_stranger_is_turned_away(lab):
    scene = Balancer(lab)
    d1 = scene.directors["d1"]
    with scene.client.inside():
        connection = socket.create_connection((DIRECTORS["d1"][0], SYNC_PORT), timeout=5)
    with connection:
        connection.settimeout(5)
        try:
            assert connection.recv(4096) == b""
        except ConnectionResetError:
            pass
    assert d1.synced()


def test_another_key_is_refused(lab):
    scene = Balancer(lab, start=False)
    d1, d2 = scene.directors.values()
    other = scene.key + ".other"
    with open(os.open(other, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as key:
        key.write("f" * 64 + "\n")
    d2.write(scene.text("d2").replace(scene.key, other))
    for vipd in (d1, d2):
        vipd.start()
    wait_for(lambda: d1.sync_counter("reject_forged") + d2.sync_counter("reject_forged") > 0, 10,
             lambda: f"the refusal: {d1.status()['sync']}")
    assert not d1.synced()
    assert not d2.synced()


def test_sync_port_is_open_to_the_peer_only_as_tcp(lab):
    """No multicast of ours leaves a node: what IPVS sends in the clear, vipd seals."""
    scene = Balancer(lab)
    d1 = scene.directors["d1"]
    listening = d1.node.cmd(["ss", "-Hltn", f"sport = :{SYNC_PORT}"]).stdout
    assert listening.strip()
    assert netns.run(netns.enter(d1.node.ns) + ["ss", "-Hlun"]).stdout.strip() == ""
