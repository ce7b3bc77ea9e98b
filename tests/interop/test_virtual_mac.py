# SPDX-License-Identifier: Apache-2.0
"""use_vmac: vipd and Debian's keepalived are one virtual router with one MAC address."""
import pytest
from scapy.all import ARP, IP

from vipdlab.scenes import VIP, Keepalived, Vipd, VrrpPair
from vipdlab.wire import Sniffer

VMAC = "00:00:5e:00:01:33"
DIRECTIONS = pytest.mark.parametrize("programs", [(Vipd, Keepalived), (Keepalived, Vipd)],
                                     ids=["vipd-is-master", "keepalived-is-master"])


def of_the_router(packet):
    return ((packet.haslayer(IP) and packet[IP].proto == 112)
            or (ARP in packet and packet[ARP].psrc == VIP))


def pair_with_vmac(lab, programs):
    pair = VrrpPair(lab, programs, lines=("use_vmac",), start=False)
    for daemon, role in zip(pair.daemons, ("d1", "d2")):
        daemon.write(pair.text(role, vips=[f"{VIP}/32"]))
        daemon.start()
    return pair


@DIRECTIONS
def test_election_stop_and_return(lab, programs):
    with Sniffer(lab.node("client", "10.77.0.10/24").ns, of_the_router) as seen:
        pair = pair_with_vmac(lab, programs)
        pair.wait_master(pair.d1)
        assert pair.stop_master() < pair.down_interval, "priority 0 was not understood"
        pair.d1.start()
        pair.wait_master(pair.d1)
    assert {packet.src for packet in seen.matching()} == {VMAC}
    assert seen.matching(lambda p: ARP in p) and seen.matching(lambda p: IP in p)


@DIRECTIONS
def test_kill_of_the_master(lab, programs):
    pair = pair_with_vmac(lab, programs)
    pair.wait_master(pair.d1)
    assert pair.kill_master() < pair.down_interval + 0.5
