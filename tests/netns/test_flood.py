# SPDX-License-Identifier: Apache-2.0
"""Far more adverts than there should ever be, from somebody on the link: the master goes on, the backup
stays one, and neither the log nor the memory fills."""
import pytest
from scapy.all import IP
from scapy.layers.vrrp import VRRPv3

from vipdlab.flood import Flood, advert, strangers
from vipdlab.netns import wait_for
from vipdlab.scenes import DIRECTORS, VIP, VrrpPair
from vipdlab.wire import Sniffer

ADVERT = 0.1
SECONDS = 4
GROW = 1024  # kB of resident memory that are no sign of a leak


def foreign(pair):
    """Other virtual routers: all VRIDs that are not ours."""
    return [advert(source, VIP, vrid=1 + number % 50) for number, source in enumerate(strangers())]


def checksum(pair):
    """Our virtual router, but for the checksum."""
    return [advert(source, VIP, chksum=0x1234) for source in strangers()]


def spoofed(pair):
    """Right in all, but from nobody who may."""
    d1 = pair.d1.node
    return [advert(source, VIP, to=d1.address, mac=d1.mac) for source in strangers()]


#: the reason by which they are counted; whether the pair is a unicast one
KINDS = {"foreign": (foreign, "vrid", False), "checksum": (checksum, "checksum", False),
         "spoofed": (spoofed, "unicast_peer", True)}


def resident_kb(daemon):
    with open(f"/proc/{daemon.role_pid('vrrp')}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def rejected(daemon, reason):
    return (daemon.counter(reason)
            + daemon.status()["counters"].get(f"vrrp_unmatched_{reason}", 0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_changes_nothing(lab, kind, figure):
    make, reason, unicast = KINDS[kind]
    pair = VrrpPair(lab, advert_int=ADVERT, unicast=unicast,
                    lines=("check_unicast_src",) if unicast else ())
    pair.wait_master(pair.d1)
    intruder = lab.node("intruder", "10.77.0.66/24")
    frames = make(pair)
    before = {d: (d.counter("become_master"), rejected(d, reason), resident_kb(d),
                  len(d.log().splitlines())) for d in pair.daemons}
    mac = pair.d1.node.mac
    with Sniffer(pair.d2.node.ns, lambda p: IP in p and p[IP].proto == 112, source=mac) as ours:
        flood = Flood(intruder, frames, seconds=SECONDS)
        wait_for(lambda: rejected(pair.d1, reason) > before[pair.d1][1], 10, "the flood at d1")
        begin = ours.wait().time
        sent, took = flood.wait()
        seen = [p for p in ours.packets if begin <= p.time <= begin + took - 1]
    assert sent > SECONDS * 1000, "this was no flood"
    figure("adverts sent per second", round(sent / took))
    figure("longest time between two of ours in ms",
           round(1000 * max(b.time - a.time for a, b in zip(seen, seen[1:]))))
    # The master's own have left, at their pace and as they should be.
    expected = (seen[-1].time - seen[0].time) / ADVERT
    assert expected > 0.5 * (SECONDS - 2) / ADVERT
    assert 0.8 * expected <= len(seen) <= 1.1 * expected + 2
    assert {p[IP].src for p in seen} == {DIRECTORS["d1"][0]}
    assert {p[VRRPv3].priority for p in seen} == {150}
    for daemon in pair.daemons:
        become, counted, memory, lines = before[daemon]
        if daemon is pair.d1 or not unicast:
            wait_for(lambda daemon=daemon, counted=counted: rejected(daemon, reason) > counted + 100,
                     5, f"{reason} counted at {daemon.node.role}")
        assert daemon.counter("become_master") == become
        assert resident_kb(daemon) < memory + GROW
        new = [line for line in daemon.log().splitlines()[lines:]
               if "Sending gratuitous ARP" not in line]  # the second burst, by its own time
        count = len(new)
        assert count <= 1, "more than one line for one reason: " + "\n".join(new[:3])
    assert pair.masters() == ["d1"]
    assert pair.d2.state() == "BACKUP"
