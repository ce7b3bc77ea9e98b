# SPDX-License-Identifier: Apache-2.0
"""BFD sessions of vipd with BIRD, FRR and Debian's keepalived; an instance follows the session."""
import pytest
from scapy.all import IP, UDP, IPv6

from vipdlab import config, netns
from vipdlab.netns import wait_for
from vipdlab.routers import Bird, FrrBfd
from vipdlab.scenes import DIRECTORS, VIP, Keepalived, Vipd
from vipdlab.wire import Sniffer

HERE, THERE = (DIRECTORS[role][0] for role in ("d1", "d2"))


def bfd_instance(neighbour, source, *lines):
    return "\n".join(["bfd_instance there {", f"    neighbor_ip {neighbour}",
                      f"    source_ip {source}"] + [f"    {line}" for line in lines] + ["}\n"])


def instance(*lines):
    return config.vrrp_instance(version=3, advert_int=0.1, vips=[f"{VIP}/32 dev eth0"],
                                lines=("track_bfd {", "    there", "}") + lines)


@pytest.fixture(name="here")
def vipd_here(lab):
    """vipd at d1, in FAULT as long as the session to d2 is not up; `min_rx` and the like are
    milliseconds."""
    node = lab.node("d1", f"{HERE}/24")
    return Vipd(node, config.global_defs("d1")
                + bfd_instance(THERE, HERE, "min_rx 20", "min_tx 20", "multiplier 5") + instance())


# (hops, own address, neighbour's address) by name. Over two hops the neighbour is in another network
# behind a router.
WAYS = {"IPv4": (1, HERE, THERE), "IPv4-multihop": (2, HERE, "10.78.0.12"),
        "IPv6": (1, "fd77::11", "fd77::12"), "IPv6-multihop": (2, "fd77::11", "fd78::12")}
# Detection takes this long at least and, without the last one's jitter, at most: 5 x 50 ms.
DETECTION = 0.25
INTERVALS = ("min_rx 50", "min_tx 50", "multiplier 5")


def ipv6(node):
    node.cmd(["sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.eth0.accept_dad=0",
              "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0",
              "net.ipv6.conf.eth0.disable_ipv6=0"])


class Way:
    """vipd at d1, the neighbour's node d2, and what is between them."""

    def __init__(self, lab, name, multihop_ttl):
        self.hops, self.own, self.neighbour = WAYS[name]
        self.v6 = name.startswith("IPv6")
        length = 64 if self.v6 else 24
        nodes = {}
        for role, address in (("d1", self.own), ("d2", self.neighbour)):
            nodes[role] = lab.node(role)
            if self.v6:
                ipv6(nodes[role])
                nodes[role].ip(f"addr add {HERE if role == 'd1' else THERE}/24 dev eth0")
            nodes[role].ip(f"addr add {address}/{length} dev eth0" + (" nodad" if self.v6 else ""))
        if self.hops > 1:
            self.put_router_between(lab, nodes, length)
        self.node, self.peer_node = nodes["d1"], nodes["d2"]
        self.ttl = multihop_ttl if self.hops > 1 else 255
        multihop = ("multihop",) if self.hops > 1 else ()
        if multihop and self.ttl == 255:  # the neighbour and we can see how far it was
            multihop += ("ttl 255", "max_hops 1")
        self.vipd = Vipd(self.node, config.global_defs("d1") + bfd_instance(
            self.neighbour, self.own, *INTERVALS, *multihop) + instance())

    def put_router_between(self, lab, nodes, length):
        """d2 and the router's eth1 get a switch of their own: nobody is redirected to a shorter way."""
        router = lab.node("router")
        netns.connect(lab.switch, "p-router1", router.ns, "eth1")
        netns.ip(lab.switch, "link add br1 type bridge mcast_snooping 0 forward_delay 0")
        netns.ip(lab.switch, "link set br1 up")
        for port in ("p-router1", "p-d2"):
            netns.ip(lab.switch, f"link set {port} master br1")
        if self.v6:
            ipv6(router)
        router.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        colon = ":" if self.v6 else "."
        nets = {role: address.rpartition(colon)[0] + colon
                for role, address in (("d1", self.own), ("d2", self.neighbour))}
        for role, device, far in (("d1", "eth0", "d2"), ("d2", "eth1", "d1")):
            router.ip(f"addr add {nets[role]}1/{length} dev {device}"
                      + (" nodad" if self.v6 else ""))
            network = nets[far] + ("" if self.v6 else "0")
            nodes[role].ip(f"route add {network}/{length} via {nets[role]}1")

    def packets(self):
        """Records the BFD control packets that come to and leave vipd's node."""
        port = 4784 if self.hops > 1 else 3784

        def keep(packet):
            if UDP not in packet or packet[UDP].dport != port:
                return False
            packet.bfd = bytes(packet[UDP].payload)
            packet.hops = packet[IPv6].hlim if self.v6 else packet[IP].ttl
            packet.state = packet.bfd[1] >> 6
            packet.diagnostic = packet.bfd[0] & 0x1f
            return True

        return Sniffer(self.node.ns, keep)


def test_packets_go_from_one_high_port_with_the_largest_ttl(lab, here):
    """RFC 5881, 4 and 5; and nobody answers, so that they are the slow ones of a session that is down."""
    lab.node("d2", f"{THERE}/24")
    with Sniffer(here.node.ns, lambda p: UDP in p and p[UDP].dport == 3784) as seen:
        here.start()
        seen.wait(count=3, timeout=10)
    assert len({p[UDP].sport for p in seen.packets}) == 1
    assert 49152 <= seen.packets[0][UDP].sport <= 65535
    assert {(p[IP].src, p[IP].dst, p[IP].ttl) for p in seen.packets} == {(HERE, THERE, 255)}
    # Version 1; down, without any flag; a number of ours, none of the other's.
    payload = bytes(seen.packets[0][UDP].payload)
    assert (payload[0] >> 5, payload[1], payload[3]) == (1, 0x40, 24)
    assert payload[4:8] != bytes(4) and payload[8:12] == bytes(4)


ADMIN_DOWN, DOWN, INIT, UP = range(4)


@pytest.mark.parametrize("program", [Bird, FrrBfd], ids=["BIRD", "FRR"])
@pytest.mark.parametrize("name", list(WAYS))
def test_a_router_and_vipd_see_each_other_come_and_go(lab, program, name):
    way = Way(lab, name, program.MULTIHOP_TTL)
    vipd = way.vipd
    there = program(way.peer_node, way.neighbour, way.own, hops=way.hops)
    with way.packets() as seen:
        vipd.start()
        vipd.wait_state("FAULT")
        there.start()
        vipd.wait_state("MASTER")
        wait_for(there.session, 10, "the session at the neighbour")
        ours = seen.wait(lambda p: p.outgoing and p.state == UP)
        theirs = seen.wait(lambda p: not p.outgoing and p.state == UP)
        assert ours.hops == way.ttl
        assert theirs.hops == way.ttl + 1 - way.hops
        assert ours[UDP].sport >= 49152
        assert len(ours.bfd) == 24 and ours.bfd[0] >> 5 == 1
        assert ours.bfd[2:4] == bytes([5, 24])
        assert ours.bfd[8:12] == theirs.bfd[4:8], "it does not name the neighbour's discriminator"

        # Killed, it says nothing any more: only the detection time tells.
        there.kill()
        vipd.wait_state("FAULT")
        first = seen.wait(lambda p: p.outgoing and p.state == DOWN and p.diagnostic == 1,
                          what="a packet that says that the detection time has expired")
        last = seen.matching(lambda p: not p.outgoing and p.time < first.time)[-1]
        assert last.state == UP, "the neighbour has said good-bye"
        assert DETECTION - 0.02 < first.time - last.time < DETECTION + 1.5
    assert vipd.logged(r"BFD_Instance\(there\) Entering Down state \(Local diagnostic 1\)")

    there.start()
    vipd.wait_state("MASTER")
    wait_for(there.session, 10, "the session at the neighbour again")
    # And the reverse: vipd that stops says so.
    with way.packets() as seen:
        vipd.stop()
        wait_for(lambda: not there.session(), 10, "the end of the session at the neighbour")
        seen.wait(lambda p: p.outgoing and p.state == ADMIN_DOWN and p.diagnostic == 7)


def test_keepalived_and_vipd_see_each_other_come_and_go(lab, here):
    node = lab.node("d2", f"{THERE}/24")
    there = Keepalived(node, config.global_defs("d2") + bfd_instance(
        HERE, THERE, "min_rx 20", "min_tx 20", "multiplier 5") + config.vrrp_instance(
            "VI_2", vrid=52, version=3, vips=["10.77.0.200/32 dev eth0"],
            lines=("track_bfd {", "    there", "}")))
    here.start()
    here.wait_state("FAULT")
    there.start()
    here.wait_state("MASTER")
    there.wait_vip("10.77.0.200", 20)
    here.kill()
    there.wait_no_vip("10.77.0.200", 20)
    here.start()
    here.wait_state("MASTER")
    there.kill()
    here.wait_state("FAULT")
