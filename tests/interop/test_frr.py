# SPDX-License-Identifier: Apache-2.0
"""vipd and FRR's vrrpd (version 3) elect with one another, over IPv4 and IPv6."""

import pytest
from scapy.all import IP, IPv6
from scapy.layers.inet import in4_chksum
from scapy.utils import checksum

from vipdlab import config
from vipdlab.netns import wait_for
from vipdlab.routers import FrrVrrp
from vipdlab.scenes import DIRECTORS, VIP, Vipd
from vipdlab.wire import Sniffer

VRID, ADVERT = 51, 0.1
VIPS = {"IPv4": [VIP], "IPv6": ["fe80::77:100", "2001:db8:77::100"]}
FAMILIES = pytest.mark.parametrize("family", list(VIPS))
IP6 = ("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.eth0.accept_dad=0",
       "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.disable_ipv6=0",
       "net.ipv6.conf.default.disable_ipv6=0", "net.ipv6.conf.eth0.disable_ipv6=0")
BAD_CHECKSUM = "Bad VRRP checksum"  # FRR's
DOWN_INTERVAL = 4 * ADVERT  # three adverts and the skew, at most


class Pair:
    """vipd at d1 and FRR at d2, one virtual router."""

    def __init__(self, lab, family, vipd_priority, frr_priority, lines=()):
        self.vips = VIPS[family]
        self.v6 = family == "IPv6"
        nodes = [lab.node(role, f"{address}/24") for role, (address, _) in DIRECTORS.items()]
        for node in nodes:
            if self.v6:
                node.cmd(["sysctl", "-qw", *IP6])
        length = 64 if self.v6 else 32
        self.vipd = Vipd(nodes[0], config.global_defs("d1") + config.vrrp_instance(
            vrid=VRID, priority=vipd_priority, version=3, advert_int=ADVERT, lines=lines,
            vips=[f"{vip}/{length} dev eth0" for vip in self.vips]))
        self.frr = FrrVrrp(nodes[1], vrid=VRID, priority=frr_priority, vips=self.vips,
                           advert_ms=int(ADVERT * 1000))

    def adverts(self):
        """Records the adverts that pass the cable of vipd's node, as (ours, VRRP bytes) too."""
        layer = IPv6 if self.v6 else IP

        def keep(packet):
            if layer not in packet:
                return False
            header = packet[layer]
            if (header.nh if self.v6 else header.proto) != 112:
                return False
            packet.vrrp = bytes(header.payload)
            packet.priority = packet.vrrp[2]
            return True

        return Sniffer(self.vipd.node.ns, keep)

    def wait_vipd(self, master):
        self.vipd.wait_state("MASTER" if master else "BACKUP", 15)
        wait_for(lambda: all(self.vipd.has(vip) == master for vip in self.vips), 5,
                 lambda: f"VIPs {'at' if master else 'gone from'} vipd:\n{self.vipd.process.tail()}")

    def wait_frr(self, master):
        self.frr.wait_status("Master" if master else "Backup")
        self.frr.wait_vip(master)

    def assert_all_understood(self):
        refused = {name: count for name, count in self.vipd.vrrp()["counters"].items()
                   if count and name in REJECTS}
        assert refused == {}, "vipd refused an advert of FRR"
        assert "Datagram invalid" not in self.frr.log("vrrpd"), "FRR refused an advert of vipd"


REJECTS = ("ttl", "protocol", "checksum", "length", "version", "type", "interval_mismatch",
           "interval_zero", "address_list", "address_count", "destination", "source",
           "first_not_link_local")


@FAMILIES
def test_frr_is_master_stops_and_is_killed(lab, family):
    pair = Pair(lab, family, vipd_priority=100, frr_priority=150)
    pair.vipd.start()
    pair.wait_vipd(True)
    pair.frr.start()  # its priority is the higher one
    pair.wait_frr(True)
    pair.wait_vipd(False)
    # It holds still.
    heard = pair.vipd.counter("advert_rx")
    wait_for(lambda: pair.vipd.counter("advert_rx") >= heard + 20, 10, "20 adverts of FRR")
    assert pair.vipd.counter("become_master") == 1
    assert pair.frr.router()["stats"]["transitions"] == 2, "Initialize, Backup, Master"

    with pair.adverts() as seen:
        pair.frr.stop()
        pair.wait_vipd(True)
        first = seen.wait(lambda p: p.outgoing, what="an advert of vipd")
        theirs = seen.matching(lambda p: not p.outgoing and p.time < first.time)
        assert theirs[-1].priority == 0, "FRR's farewell was not what vipd acted on"
        assert first.time - theirs[-1].time < 3 * ADVERT, "vipd has waited for adverts"
        assert first.priority == 100

    pair.frr.start()
    pair.wait_frr(True)
    pair.wait_vipd(False)
    with pair.adverts() as seen:
        seen.wait(lambda p: not p.outgoing)
        pair.frr.node.link(up=False)
        pair.frr.kill()
        pair.wait_vipd(True)
        first = seen.wait(lambda p: p.outgoing, what="an advert of vipd")
        theirs = seen.matching(lambda p: not p.outgoing and p.time < first.time)
        assert theirs[-1].priority == 150
        assert 3 * ADVERT < first.time - theirs[-1].time < DOWN_INTERVAL + 0.5
    wait_for(lambda: pair.vipd.counter("become_master") == 3, 5, "the third time in its counters")
    assert pair.vipd.counter("priority_zero_rx") >= 1
    pair.assert_all_understood()


@FAMILIES
def test_vipd_is_master_stops_and_is_killed(lab, family):
    pair = Pair(lab, family, vipd_priority=150, frr_priority=100)
    pair.frr.start()
    pair.wait_frr(True)
    pair.vipd.start()
    pair.wait_vipd(True)
    pair.wait_frr(False)
    heard = pair.frr.router()["stats"]["adverRx"]
    wait_for(lambda: pair.frr.router()["stats"]["adverRx"] >= heard + 20, 10, "20 adverts of vipd")
    assert pair.frr.router()["masterAdverInterval"] == ADVERT * 1000
    transitions = pair.frr.router()["stats"]["transitions"]

    with pair.adverts() as seen:
        pair.vipd.stop()
        pair.wait_frr(True)
        first = seen.wait(lambda p: not p.outgoing, what="an advert of FRR")
        ours = seen.matching(lambda p: p.outgoing and p.time < first.time)
        assert ours[-1].priority == 0
        assert first.time - ours[-1].time < 3 * ADVERT, "FRR has not understood the farewell"
    pair.vipd.start()
    pair.wait_vipd(True)
    pair.wait_frr(False)
    pair.assert_all_understood()

    with pair.adverts() as seen:
        seen.wait(lambda p: p.outgoing)
        pair.vipd.kill()
        pair.wait_frr(True)
        first = seen.wait(lambda p: not p.outgoing, what="an advert of FRR")
        ours = seen.matching(lambda p: p.outgoing and p.time < first.time)
        assert ours[-1].priority == 150
        assert 3 * ADVERT < first.time - ours[-1].time < DOWN_INTERVAL + 0.5
    # Backup and Master again, twice: nothing else has changed hands meanwhile.
    assert pair.frr.router()["stats"]["transitions"] == transitions + 3
    pair.vipd.start()
    pair.wait_vipd(True)
    pair.wait_frr(False)
    pair.assert_all_understood()


def with_pseudo_header(packet):
    """0 if VRRP's checksum is right with the IPv4 pseudo header before it (RFC 5798, 5.2.8)."""
    return in4_chksum(112, packet[IP], packet.vrrp)


def test_the_checksum_is_frrs_form(lab):
    pair = Pair(lab, "IPv4", vipd_priority=100, frr_priority=150)
    with pair.adverts() as seen:
        pair.vipd.start()
        pair.wait_vipd(True)
        pair.frr.start()
        pair.wait_frr(True)
        for theirs in (False, True):
            packet = seen.wait(lambda p: p.outgoing != theirs)  # noqa: B023
            assert with_pseudo_header(packet) == 0
            assert checksum(packet.vrrp) != 0
    pair.assert_all_understood()


def test_without_pseudo_header_only_frr_refuses(lab):
    """v3_checksum_as_v2: vipd hears both forms, so that a group can be turned over one by one; FRR knows
    its own alone."""
    pair = Pair(lab, "IPv4", vipd_priority=150, frr_priority=100, lines=("v3_checksum_as_v2",))
    with pair.adverts() as seen:
        pair.frr.start()
        pair.wait_frr(True)
        pair.vipd.start()
        pair.wait_vipd(True)
        packet = seen.wait(lambda p: p.outgoing)
        assert checksum(packet.vrrp) == 0
        assert with_pseudo_header(packet) != 0
        wait_for(lambda: BAD_CHECKSUM in pair.frr.log("vrrpd"), 5, "the refusal of FRR")
        heard = pair.vipd.counter("advert_rx")
        wait_for(lambda: pair.vipd.counter("advert_rx") >= heard + 5, 5, "adverts of FRR at vipd")
    assert pair.frr.status() == "Master"
    assert pair.vipd.counter("checksum") == 0
