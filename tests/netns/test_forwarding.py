# SPDX-License-Identifier: Apache-2.0
"""Packets through the XDP program as they arrive at the real servers, byte for byte."""
import pytest
from scapy.all import IP, TCP, UDP, Ether, Raw

from vipdlab import config, wire
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, DIRECTORS, REALS, VIP, Balancer, Vipd
from vipdlab.web import Nginx
from vipdlab.wire import Sniffer


def syn(client_mac, director_mac, sport=40000):
    packet = (Ether(src=client_mac, dst=director_mac)
              / IP(src=CLIENT, dst=VIP, ttl=64, id=0x1234, flags="DF", tos=0x28)
              / TCP(sport=sport, dport=80, flags="S", seq=0x01020304, window=1024,
                    options=[("MSS", 1460)]))
    return Ether(bytes(packet))  # with its checksums filled in


def forwarded(packet, source_mac, destination_mac):
    """The packet as DR sends it on: new MACs, one hop fewer, nothing else."""
    after = packet.copy()
    after.src, after.dst = source_mac, destination_mac
    after[IP].ttl -= 1
    del after[IP].chksum
    return Ether(bytes(after))


def from_client(packet):
    return not packet.outgoing and TCP in packet and packet[TCP].sport == 40000


@pytest.mark.parametrize("director", ["d1", "d2"], ids=["master", "backup"])
def test_dr_rewrites_macs_and_ttl_only_in_every_role(lab, director):
    scene = Balancer(lab, reals=("r1",))
    through = scene.directors[director].node
    packet = syn(scene.client.mac, through.mac)
    real = scene.reals["r1"]
    with Sniffer(real.ns, from_client) as seen:
        wire.send(scene.client.ns, packet)
        arrived = seen.wait(what="the SYN at the real server")
    assert bytes(arrived) == bytes(forwarded(packet, through.mac, real.mac))
    scene.directors[director].wait_verdict("forwarded_dr")


@pytest.mark.parametrize("director", ["d1", "d2"], ids=["master", "backup"])
def test_tun_wraps_the_packet_in_every_role(lab, director):
    scene = Balancer(lab, kind="TUN", reals=("r1",))
    through = scene.directors[director].node
    packet = syn(scene.client.mac, through.mac)
    real = scene.reals["r1"]
    # Not at the real server's own interface: there the outer header is taken off by XDP.
    with Sniffer(lab.switch, lambda p: IP in p and p[IP].proto == 4, device="p-r1") as seen:
        wire.send(scene.client.ns, packet)
        arrived = seen.wait(what="the IPIP packet on its way to the real server")
    inner = forwarded(packet, through.mac, real.mac)[IP]
    outer = (Ether(src=through.mac, dst=real.mac)
             / IP(src=through.address, dst=REALS["r1"], ttl=64, proto=4, id=0x1234, flags="DF",
                  tos=0x28) / inner)
    assert bytes(arrived) == bytes(outer)


@pytest.mark.parametrize("kind, algo, lines", [
    ("DR", "rr", ()), ("TUN", "rr", ()), ("DR", "mh", ("mh-port",)),
], ids=["DR-rr", "TUN-rr", "DR-mh"])
def test_a_client_is_served(lab, kind, algo, lines):
    scene = Balancer(lab, kind=kind, algo=algo, lines=lines)
    answers = {scene.get() for _ in range(40)}
    assert answers == {"r1", "r2"}


def test_a_large_request_passes_the_tunnel(lab):
    """20 bytes of outer header do not fit behind a full segment. DR lets the same request through
    as it is; through the tunnel the client has to be told of the smaller MTU."""
    scene = Balancer(lab, kind="TUN", reals=("r1",))
    assert "mtu 1500 " in scene.client.ip("link show dev eth0")
    body = scene.client.write("body", "x" * 20000)
    done = scene.client.cmd(["curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}",
                             "--data-binary", f"@{body}", f"http://{VIP}/upload"], check=False)
    assert done.stdout == "200", f"curl ended with status {done.returncode}"


def test_udp_is_forwarded(lab):
    scene = Balancer(lab, reals=("r1",), directors=("d1",), nginx=False, start=False)
    d1 = scene.directors["d1"]
    d1.write(config.vrrp_instance(version=3, advert_int=0.1, vips=[VIP])
             + config.virtual_server(VIP, 53, [REALS["r1"]], check=None, protocol="UDP"))
    d1.start()
    d1.wait_real(REALS["r1"], True, port=53)
    packet = Ether(bytes(Ether(src=scene.client.mac, dst=d1.node.mac)
                         / IP(src=CLIENT, dst=VIP, ttl=64) / UDP(sport=40000, dport=53)
                         / Raw(b"question")))
    real = scene.reals["r1"]
    with Sniffer(real.ns, lambda p: UDP in p and not p.outgoing) as seen:
        wire.send(scene.client.ns, packet)
        arrived = seen.wait(what="the datagram")
    assert bytes(arrived) == bytes(forwarded(packet, d1.node.mac, real.mac))


def test_what_is_not_for_a_service_is_left_alone(lab):
    """The director answers for itself as if no program were there."""
    scene = Balancer(lab, directors=("d1",), reals=("r1",))
    address = DIRECTORS["d1"][0]
    scene.client.cmd(["ping", "-c", "1", "-W", "2", address]) if _has_ping(scene) else None
    packet = (Ether(src=scene.client.mac, dst=scene.directors["d1"].node.mac)
              / IP(src=CLIENT, dst=address) / TCP(sport=40000, dport=9, flags="S"))
    with Sniffer(scene.client.ns, lambda p: TCP in p and p[TCP].sport == 9) as seen:
        wire.send(scene.client.ns, packet)
        assert "R" in seen.wait(what="the kernel's RST")[TCP].flags


def _has_ping(scene):
    return scene.client.cmd(["which", "ping"], check=False).returncode == 0


def test_frames_for_another_station_are_left_alone(lab):
    """A switch floods what it has not learned. Were such a frame forwarded, both directors would do
    it, and each would take the other's frames up again, until the TTL has run out."""
    scene = Balancer(lab, reals=("r1",))
    real = scene.reals["r1"]
    with Sniffer(real.ns, from_client) as seen:
        wire.send(scene.client.ns, syn(scene.client.mac, "02:00:00:00:99:99"))
        # What is sent after it arrives after it: then all that was to come has come.
        proof = syn(scene.client.mac, scene.directors["d1"].node.mac)
        proof[IP].id = 0x4321
        del proof[IP].chksum
        wire.send(scene.client.ns, proof)
        seen.wait(lambda p: p[IP].id == 0x4321)
        copies = seen.matching(lambda p: p[IP].id == 0x1234 and p.dst == real.mac)
    assert copies == []


def test_a_dead_server_gets_no_new_connections_and_comes_back(lab):
    scene = Balancer(lab)
    d1, d2 = scene.directors.values()
    scene.web["r1"].kill()
    for vipd in (d1, d2):
        vipd.wait_real(REALS["r1"], False)
    assert {scene.get() for _ in range(20)} == {"r2"}
    scene.web["r1"].start()
    for vipd in (d1, d2):
        vipd.wait_real(REALS["r1"], True)
    wait_for(lambda: scene.get() == "r1", 10, "r1 answers again")


def test_forwarding_goes_on_when_all_of_vipd_is_killed(lab):
    scene = Balancer(lab, directors=("d1",))
    d1 = scene.directors["d1"]
    assert scene.get() in ("r1", "r2")
    d1.kill()
    # The address went with nobody: the node still has it, the program still forwards.
    packet = syn(scene.client.mac, d1.node.mac)
    with Sniffer(scene.reals["r1"].ns, from_client) as first, \
            Sniffer(scene.reals["r2"].ns, from_client) as second:
        wire.send(scene.client.ns, packet)
        wait_for(lambda: first.matching() or second.matching(), 5, "the SYN at a real server")
    d1.start()
    d1.wait_real(REALS["r1"], True)
    assert any(i["adopted"] for i in d1.status()["interfaces"]), "the pinned link was taken over"
    scene.wait_answer()


def test_nat_serves_a_client_through_another_port(lab):
    """Whole connections, both directions, with the real servers' port and state of both sides."""
    scene = Balancer(lab, kind="NAT", directors=("d1",), real_port=8080)
    assert {scene.get() for _ in range(20)} == {"r1", "r2"}
    body = scene.client.write("body", "x" * 200000)
    done = scene.client.cmd(["curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}",
                             "--data-binary", f"@{body}", f"http://{VIP}/upload"], check=False)
    assert done.stdout == "200", f"curl ended with status {done.returncode}"
    director = scene.directors["d1"]
    director.wait_verdict("forwarded_nat")
    director.wait_verdict("forwarded_reply")


def test_a_closed_port_of_a_nat_server_is_told_to_the_client(lab):
    """The server's RST comes from the VIP, so that the client need not wait."""
    scene = Balancer(lab, kind="NAT", directors=("d1",), reals=("r1",), check=None, nginx=False)
    done = scene.client.cmd(["curl", "-s", "-m", "5", f"http://{VIP}/"], check=False)
    assert done.returncode == 7, "connection refused"


@pytest.mark.parametrize("kind, port", [("DR", 80), ("NAT", 8080)])
def test_ipv6_serves_a_client(lab, kind, port):
    vip, client_address, real_address, own = "fd77::100", "fd77::10", "fd77::21", "fd77::11"
    client = lab.node("client", f"{CLIENT}/24")
    real = lab.node("r1", f"{REALS['r1']}/24")
    node = lab.node("d1", f"{DIRECTORS['d1'][0]}/24", xdp=True)
    for where, address in ((client, client_address), (real, real_address), (node, own)):
        where.sysctl(net__ipv6__conf__all__disable_ipv6=0)
        where.ip(f"addr add {address}/64 dev eth0 nodad")
    node.ip(f"addr add {vip}/128 dev eth0 nodad preferred_lft 0")  # as a source it is no choice
    if kind == "NAT":
        real.ip(f"route add {client_address} via {own}")
        node.sysctl(net__ipv6__conf__all__forwarding=1)
    else:
        real.ip(f"addr add {vip}/128 dev lo nodad")
    Nginx(real, port=port).start()
    director = Vipd(node)
    director.write(config.global_defs("d1")
                   + config.virtual_server(vip, 80, [real_address], kind=kind, real_port=port)
                   + config.vipd())
    director.start()
    director.wait_real(real_address, True, port)
    answer = wait_for(lambda: client.cmd(["curl", "-g", "-s", "-m", "3", f"http://[{vip}]/"],
                                         check=False).stdout.strip(), 10, "an answer")
    assert answer == "r1"
    director.wait_verdict("forwarded_dr" if kind == "DR" else "forwarded_reply")
