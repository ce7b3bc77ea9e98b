# SPDX-License-Identifier: Apache-2.0
"""Connections that the standby knows before it needs them."""
import os
import random
import socket
import struct
import time

import pytest
from scapy.all import IP, TCP, Ether

from vipdlab import netns, wire
from vipdlab.load import Load
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, DIRECTORS, VIP, Balancer

SYNC_PORT = 8849


def ages_at_the_standby(scene, count):
    """Milliseconds from the SYN to the standby's answer that it has the connection, of so many."""
    d1, d2 = scene.directors.values()
    took = []
    for _ in range(count):
        start = time.monotonic()
        with scene.client.inside():
            connection = socket.create_connection((VIP, 80), timeout=5)
        path = f"/v1/flows?client={CLIENT}:{connection.getsockname()[1]}&state=ESTABLISHED"
        flow = wait_for(lambda path=path: d2.get(path)["flows"], 1, "the flow at the standby",
                        interval=0.001)
        took.append(round((time.monotonic() - start) * 1000))
        assert flow[0]["synced"]
        assert flow[0]["real"] == d1.get(path)["flows"][0]["real"]
        connection.close()
    return sorted(took)


def test_a_new_connection_is_at_the_standby_within_100_ms(lab, figure):
    # A small table is listed quickly, so that the poll adds little to what it measures.
    scene = Balancer(lab, vipd_lines=["flow_table_size 4096"])
    # All have to be there within a second. The promise is 100 ms: 5 of 100 may miss it on a machine
    # that does other things, too; such a machine gets a second try, and no third.
    for attempt in (1, 2):
        took = ages_at_the_standby(scene, 100)
        late = [age for age in took if age > 100]
        figure(f"median_ms_{attempt}", took[len(took) // 2])
        figure(f"95th_ms_{attempt}", took[94])
        figure(f"slowest_ms_{attempt}", took[-1])
        if len(late) <= 5:
            return
    pytest.fail(f"{len(late)} of {len(took)} connections came later than 100 ms: {late}")


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


SYN, ACK = 0x02, 0x10
PORTS = range(1024, 51024)


def handshakes(scene, through, addresses):
    """The client's part of a handshake from each port of these addresses, as frames: so many and so
    quickly no sockets do it. The program does not look at the TCP checksum."""
    with wire.open_socket(scene.client.ns) as raw:
        for address in addresses:
            frame = bytearray(bytes(Ether(src=scene.client.mac, dst=through.node.mac)
                                    / IP(src=address, dst=VIP) / TCP(dport=80)))
            for port in PORTS:
                frame[34:36] = port.to_bytes(2, "big")
                for flags in (SYN, ACK):
                    frame[47] = flags
                    raw.send(frame)


def test_100000_connections_reach_a_joining_node(lab, figure):
    scene = Balancer(lab, start=False, nginx=False, check=None)
    d1, d2 = scene.directors.values()
    for real in scene.reals.values():
        real.ip(f"addr del {VIP}/32 dev lo")  # what arrives is dropped: nobody answers
    d1.start()
    d1.wait_vip(VIP)
    for real in scene.reals.values():
        d1.wait_real(real.address, True)
    handshakes(scene, d1, ["10.77.1.1", "10.77.1.2"])
    # A frame may be lost on its way into d1: its ring in front of XDP is short.
    wanted = d1.flow_count("state=ESTABLISHED")
    assert wanted >= 2 * len(PORTS) * 0.999

    # The promise is 2 s from the first answer on; a busy machine gets a second try, and no third.
    for attempt in (1, 2):
        d2.start(ready=False)
        start = time.monotonic()
        d2.wait_ready()
        up = time.monotonic()
        d2.wait_synced()
        synced = time.monotonic()
        # Synced means that they are there; not that they will be.
        there = d2.flow_count("state=ESTABLISHED")
        assert there == wanted, (f"d2 has {there}, d1 has {d1.flow_count('state=ESTABLISHED')}, "
                                 f"had {wanted}")
        figure(f"connections_{attempt}", there)
        figure(f"start_to_answer_ms_{attempt}", round((up - start) * 1000))
        figure(f"answer_to_synced_ms_{attempt}", round((synced - up) * 1000))
        if synced - up <= 2:
            return
        d2.stop()
        assert not os.path.exists(d2.pins), "the second try would begin with what the first got"
    pytest.fail(f"{there} connections took {synced - up:.1f} s after d2's first answer")


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
