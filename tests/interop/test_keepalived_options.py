# SPDX-License-Identifier: Apache-2.0
"""vipd and Debian's keepalived within AH, over IPv6 and in sync groups, each as master and backup."""
import pytest

from vipdlab import config
from vipdlab.netns import wait_for
from vipdlab.scenes import DIRECTORS, VIP, Keepalived, Vipd, VrrpPair

DIRECTIONS = pytest.mark.parametrize("programs", [(Vipd, Keepalived), (Keepalived, Vipd)],
                                     ids=["vipd-is-master", "keepalived-is-master"])
LINK_VIP, VIP6 = "fe80::77:100", "2001:db8:77::100"
OTHER_VIP = "10.77.0.101"
NOISE = {"ah_header", "ah_failure", "ah_replay", "protocol", "ttl", "destination", "source",
         "length", "version", "checksum", "auth_type", "address_list", "first_not_link_local"}


class Pair:
    """d1 (priority 150) and d2 (100); `text(priority)` is what they run."""

    def __init__(self, lab, programs, text, vips, ipv6=False):
        self.vips = vips
        self.daemons = []
        for (role, (address, priority)), program in zip(DIRECTORS.items(), programs):
            node = lab.node(role, f"{address}/24")
            if ipv6:
                node.cmd(["sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0",
                          "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.eth0.disable_ipv6=0"])
            self.daemons.append(program(node, config.global_defs(role) + text(priority)))
        for daemon in self.daemons:
            daemon.start()

    def wait_holder(self, holder, timeout=20):
        others = [d for d in self.daemons if d is not holder and d.running()]
        wait_for(lambda: all(holder.has(v) for v in self.vips)
                 and not any(other.has(v) for other in others for v in self.vips), timeout,
                 lambda: f"{self.vips} at {holder.node.role} alone:\n{holder.process.tail()}")

    def elect_stop_and_return(self):
        first, second = self.daemons
        self.wait_holder(first)
        first.stop()
        self.wait_holder(second)
        first.start()
        self.wait_holder(first)
        for daemon in self.daemons:
            if not isinstance(daemon, Vipd):
                continue
            for instance in daemon.status()["instances"]:
                heard = {n: c for n, c in instance["counters"].items() if c and n in NOISE}
                assert heard == {}, "an advert of keepalived was refused"


@DIRECTIONS
def test_version_2_within_ah(lab, programs):
    def text(priority):
        return config.vrrp_instance(
            priority=priority, vips=[f"{VIP}/32 dev eth0"],
            lines=("authentication {", "    auth_type AH", "    auth_pass 12345678", "}"))

    Pair(lab, programs, text, [VIP]).elect_stop_and_return()


@DIRECTIONS
def test_version_3_over_ipv6(lab, programs):
    def text(priority):
        return config.vrrp_instance(priority=priority, version=3, advert_int=0.1,
                                    vips=[f"{LINK_VIP}/64 dev eth0", f"{VIP6}/64 dev eth0"])

    Pair(lab, programs, text, [LINK_VIP, VIP6], ipv6=True).elect_stop_and_return()


@DIRECTIONS
def test_sync_groups_move_together(lab, programs):
    def text(priority):
        instances = [config.vrrp_instance(name, vrid=vrid, priority=priority, version=3,
                                          advert_int=0.1, vips=[f"{vip}/32 dev eth0"])
                     for name, vrid, vip in (("A", 51, VIP), ("B", 52, OTHER_VIP))]
        return ("".join(instances)
                + "vrrp_sync_group G {\n    group {\n        A\n        B\n    }\n}\n")

    Pair(lab, programs, text, [VIP, OTHER_VIP]).elect_stop_and_return()


@DIRECTIONS
@pytest.mark.parametrize("said", [(), ("old_unicast_checksum",)], ids=["found-out", "configured"])
def test_old_unicast_checksum(lab, programs, said):
    """keepalived with it takes no other: vipd has to send it as well, told or not."""
    pair = VrrpPair(lab, programs, unicast=True, start=False, lines=("old_unicast_checksum",))
    vipd = next(d for d in pair.daemons if isinstance(d, Vipd))
    vipd.write(pair.text(vipd.node.role, lines=said))
    for daemon in pair.daemons:
        daemon.start()
    # Where vipd is the master keepalived is one, too, until it has been heard.
    pair.wait_master(pair.d1, 20)
    pair.stop_master()
    pair.d1.start()
    pair.wait_master(pair.d1, 20)
    wait_for(lambda: vipd.counter("old_checksum") > 0, 10, "an old checksum at vipd")
    assert vipd.counter("checksum") == 0
    assert pair.masters() == ["d1"]
