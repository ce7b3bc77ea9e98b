# SPDX-License-Identifier: Apache-2.0
"""Elections between two vipd, and what must not disturb them."""
import os
import signal
import pytest
from scapy.all import IP, Ether, Raw, fragment
from scapy.layers.vrrp import VRRP, VRRPv3

from vipdlab import config, wire
from vipdlab.daemon import AddressWatch, Vipd
from vipdlab.netns import wait_for
from vipdlab.scenes import DIRECTORS, VIP, VrrpPair
from vipdlab.wire import Sniffer

GROUP_MAC = "01:00:5e:00:00:12"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("unicast", [False, True], ids=["multicast", "unicast"])
def test_the_higher_priority_is_master_and_is_succeeded(lab, version, unicast):
    pair = VrrpPair(lab, version=version, unicast=unicast, start=False)
    with Sniffer(pair.d1.node.ns, lambda p: IP in p and p[IP].proto == 112) as adverts:
        for daemon in pair.daemons:
            daemon.start()
        pair.wait_master(pair.d1)
        advert = adverts.wait(lambda p: p.outgoing)
    assert advert[IP].ttl == 255
    assert advert[IP].tos == 0xC0
    assert advert[IP].src == DIRECTORS["d1"][0]
    assert advert[IP].dst == (DIRECTORS["d2"][0] if unicast else "224.0.0.18")
    layer = VRRP if version == 2 else VRRPv3
    assert advert[layer].version == version
    assert advert[layer].vrid == 51
    assert advert[layer].priority == 150
    assert advert[layer].addrlist == [VIP]

    with Sniffer(pair.d2.node.ns, lambda p: IP in p and p[IP].proto == 112) as adverts:
        took = pair.stop_master()
        farewell = adverts.wait(lambda p: not p.outgoing and p[layer].priority == 0)
    assert farewell[IP].src == DIRECTORS["d1"][0]
    # Priority 0 leaves the skew to wait, not three adverts.
    assert took < pair.down_interval, "the standby has waited as if the master had been lost"
    pair.d1.start()
    pair.wait_master(pair.d1)


def test_a_killed_master_is_succeeded_within_its_down_interval(lab):
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    assert pair.kill_master() < pair.down_interval + 0.5


def test_ten_millisecond_adverts_hold_still(lab):
    """Nothing changes hands by itself, although a master is dead after 30 ms of silence."""
    pair = VrrpPair(lab, advert_int=0.01)
    pair.wait_master(pair.d1)
    sent = pair.d1.counter("advert_tx")
    changes = pair.d2.counter("become_master")
    wait_for(lambda: pair.d1.counter("advert_tx") >= sent + 200, 10, "200 adverts")
    assert pair.d2.counter("become_master") == changes
    assert pair.masters() == ["d1"]


def test_handover_and_back(lab):
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    pair.d1.vipctl("handover")
    pair.wait_master(pair.d2)
    # It holds, though d1 has the higher priority ...
    heard = pair.d1.counter("advert_rx")
    wait_for(lambda: pair.d1.counter("advert_rx") >= heard + 20, 10, "20 adverts of d2")
    assert pair.masters() == ["d2"]
    # ... until it is given back.
    pair.d2.vipctl("handover")
    pair.wait_master(pair.d1)


def test_a_wrong_password_is_one_log_line_and_a_counter(lab):
    pair = VrrpPair(lab, version=2, auth=("123456", "letmein"), start=False)
    pair.d1.start()
    pair.wait_master(pair.d1)
    pair.d2.start()
    wait_for(lambda: pair.d2.counter("auth_failure") >= 3, 15, "rejects at d2")
    assert len(pair.d2.logged(r"invalid passwd")) == 1
    # d2 hears nothing it can believe, so it takes over too: the log line is what tells why. d1
    # counts d2's adverts then, and is not moved by them.
    pair.d2.wait_vip(VIP)
    wait_for(lambda: pair.d1.counter("auth_failure") >= 2, 15, "rejects at d1")
    assert pair.d1.has(VIP)
    assert pair.d1.counter("become_master") == 1
    assert len(pair.d1.logged(r"invalid passwd")) == 1


def restarted(daemon, role, old):
    return wait_for(lambda: [p["pid"] for p in daemon.status()["processes"] if p["role"] == role
                             and p["pid"] not in (0, old) and p["state"] == "running"],
                    15, f"the restart of {role}")[0]


def test_death_of_the_vrrp_process_never_removes_the_vip(lab):
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    old = pair.d1.role_pid("vrrp")
    with AddressWatch(pair.d1.node.ns) as mine, AddressWatch(pair.d2.node.ns) as other:
        os.kill(old, signal.SIGKILL)
        restarted(pair.d1, "vrrp", old)
        pair.d1.wait_state("MASTER")
        sent = pair.d1.counter("advert_tx")
        wait_for(lambda: pair.d1.counter("advert_tx") >= sent + 10, 10, "adverts go on")
        assert mine.of(VIP, "del") == []
        assert other.of(VIP, "add") == []
    assert pair.masters() == ["d1"]


def test_death_of_the_check_process_changes_no_mastership(lab):
    from vipdlab import config
    pair = VrrpPair(lab, start=False)
    service = config.virtual_server("10.77.0.101", 80, ["10.77.0.21"])
    pair.d1.write(pair.text("d1") + service)
    for daemon in pair.daemons:
        daemon.start()
    pair.wait_master(pair.d1)
    old = pair.d1.role_pid("check")
    with AddressWatch(pair.d1.node.ns) as watch:
        os.kill(old, signal.SIGKILL)
        restarted(pair.d1, "check", old)
        sent = pair.d1.counter("advert_tx")
        wait_for(lambda: pair.d1.counter("advert_tx") >= sent + 10, 10, "adverts go on")
        assert watch.of(VIP) == []
    assert pair.d1.counter("become_master") == 1
    assert pair.d1.state() == "MASTER"


def advert(pair, sender, **fields):
    """An advert as d1 sends it, with fields changed; checksums are right unless given."""
    ttl = fields.pop("ttl", 255)
    values = {"vrid": 51, "priority": 200, "ipcount": 1, "adv": 10, "addrlist": [VIP]}
    values.update(fields)
    packet = (Ether(src=sender.mac, dst=GROUP_MAC)
              / IP(src=sender.address, dst="224.0.0.18", ttl=ttl, proto=112, tos=0xC0)
              / VRRPv3(**values))
    return packet


def rejected(daemon, counter):
    """How often it was counted, by the instance or (no instance is meant) by the process."""
    return (daemon.counter(counter)
            + daemon.status()["counters"].get(f"vrrp_unmatched_{counter}", 0))


def cut(packet, size):
    """The advert with so many bytes of VRRP, whether it has fewer or more; the IP header agrees."""
    data = bytes(packet[IP].payload)
    head = packet.copy()
    head[IP].remove_payload()
    return head / Raw((data + bytes(size))[:size])


FORGED = {
    "ttl": ("ttl", lambda pair, sender: [advert(pair, sender, ttl=64)]),
    "checksum": ("checksum", lambda pair, sender: [advert(pair, sender, chksum=0x1234)]),
    "interval zero": ("interval_zero", lambda pair, sender: [advert(pair, sender, adv=0)]),
    "no address": ("address_count",
                   lambda pair, sender: [advert(pair, sender, ipcount=0, addrlist=[])]),
    "wrong vrid": ("vrid", lambda pair, sender: [advert(pair, sender, vrid=52)]),
    "type": ("type", lambda pair, sender: [advert(pair, sender, type=2)]),
    "nothing in it": ("length", lambda pair, sender: [cut(advert(pair, sender), 0)]),
    "truncated header": ("length", lambda pair, sender: [cut(advert(pair, sender), 6)]),
    "truncated address": ("length", lambda pair, sender: [cut(advert(pair, sender), 10)]),
    "address too many": ("length", lambda pair, sender: [advert(pair, sender, ipcount=2)]),
    "oversized": ("length", lambda pair, sender: [cut(advert(pair, sender), 1400)]),
    # In fragments, which the kernel puts together: more than the process reads of a packet.
    "oversized, fragmented": ("truncated", lambda pair, sender: fragment(
        cut(advert(pair, sender), 9000), fragsize=1400)),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_adverts_are_counted_and_change_nothing(lab, name):
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    intruder = lab.node("intruder", "10.77.0.66/24")
    counter, forge = FORGED[name]
    before = {d: (d.state(), d.counter("become_master"), rejected(d, counter))
              for d in pair.daemons}
    for number in range(5):
        for packet in forge(pair, intruder):
            packet[IP].id = 1000 + number
            wire.send(intruder.ns, packet)
    for daemon in pair.daemons:
        wait_for(lambda daemon=daemon: rejected(daemon, counter) >= before[daemon][2] + 5, 5,
                 lambda daemon=daemon: f"5 more of {counter} at {daemon.node.role}: "
                                       f"{daemon.vrrp()['counters']}, "
                                       f"{daemon.status()['counters']}")
        assert daemon.state() == before[daemon][0]
        assert daemon.counter("become_master") == before[daemon][1]
    assert pair.masters() == ["d1"]


def test_a_true_advert_of_higher_priority_is_believed(lab):
    """The twin of the forged ones: without it their test could pass for a wrong reason."""
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    intruder = lab.node("intruder", "10.77.0.66/24")
    wire.send(intruder.ns, advert(pair, intruder))
    wait_for(lambda: pair.d1.counter("release_master") == 1, 5, "d1 to give way")
    pair.wait_master(pair.d1)


def test_gratuitous_arp_announces_the_vip(lab):
    from scapy.all import ARP
    pair = VrrpPair(lab, start=False)
    listener = lab.node("listener", "10.77.0.66/24")
    with Sniffer(listener.ns, lambda p: ARP in p and p[ARP].psrc == VIP) as arps:
        for daemon in pair.daemons:
            daemon.start()
        pair.wait_master(pair.d1)
        first = arps.wait()
    assert first[ARP].op == 1
    assert first[ARP].pdst == VIP
    assert first[ARP].hwsrc == first.src == pair.d1.node.mac
    assert first.dst == first[ARP].hwdst == "ff:ff:ff:ff:ff:ff"


def test_a_timer_that_is_late_asks_for_real_time(lab):
    vipd = Vipd(lab.node("d1", "10.77.0.11/24"), config.global_defs(
        "d1", "max_auto_priority 5", "min_auto_priority_delay 300000")
        + config.vrrp_instance(vips=["10.77.0.100/32"], version=3, advert_int=0.1))
    vipd.start()
    vipd.wait_state("MASTER")
    vrrp = vipd.role_pid("vrrp")
    os.kill(vrrp, signal.SIGSTOP)
    before = vipd.status()
    wait_for(lambda: vipd.status()["uptime_ms"] > before["uptime_ms"] + 600, 5, "it to be late")
    os.kill(vrrp, signal.SIGCONT)
    # Whether it is granted is for the machine to say.
    vipd.wait_log(r"A timer was \d+ ms late; real-time priority 1")
