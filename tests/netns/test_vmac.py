# SPDX-License-Identifier: Apache-2.0
"""use_vmac: the virtual router's own MAC address (RFC 9568, 7.3), and no_accept."""
import pytest
from scapy.all import ARP, ICMP, IP, Ether, ICMPv6ND_NA, IPv6

from vipdlab import config
from vipdlab.daemon import AddressWatch, Vipd
from vipdlab.netns import ip_json, wait_for
from vipdlab.scenes import CLIENT, DIRECTORS, VIP, Balancer
from vipdlab.wire import Sniffer, send

VMAC, VMAC6 = "00:00:5e:00:01:33", "00:00:5e:00:02:33"
OWN = DIRECTORS["d1"][0]


def one_router(lab, lines=("use_vmac",), vips=(f"{VIP}/32",), **settings):
    node = lab.node("d1", f"{OWN}/24")
    return Vipd(node, config.global_defs("d1") + config.vrrp_instance(
        version=3, advert_int=0.1, lines=lines, vips=vips, **settings))


def devices(node, kind="macvlan"):
    return {link["ifname"]: link for link in ip_json(node.ns, "-d link show")
            if link.get("linkinfo", {}).get("info_kind") == kind}


def arp_settings(node):
    names = ("arp_ignore", "arp_filter")
    return [node.cmd(["sysctl", "-n", f"net.ipv4.conf.eth0.{name}"]).stdout.strip()
            for name in names]


def arp_request(target=VIP):
    return (Ether(src="02:00:00:00:00:99", dst="ff:ff:ff:ff:ff:ff")
            / ARP(op=1, hwsrc="02:00:00:00:00:99", psrc="10.77.0.99", pdst=target))


def test_everything_of_the_virtual_router_has_its_mac(lab):
    vipd = one_router(lab)
    other = lab.node("d2", "10.77.0.99/24")
    with Sniffer(other.ns) as seen:
        vipd.start()
        vipd.wait_vip(VIP)
        seen.wait(lambda p: p.haslayer(IP) and p[IP].proto == 112, count=3)
        seen.wait(lambda p: ARP in p and p[ARP].psrc == VIP, count=5)
        send(other.ns, arp_request())
        seen.wait(lambda p: ARP in p and p[ARP].op == 2, what="the answer")
    adverts = seen.matching(lambda p: p.haslayer(IP) and p[IP].proto == 112)
    assert {(p.src, p[IP].src) for p in adverts} == {(VMAC, OWN)}
    garps = seen.matching(lambda p: ARP in p and p[ARP].op == 1 and p[ARP].psrc == VIP)
    assert {(p.src, p[ARP].hwsrc) for p in garps} == {(VMAC, VMAC)}
    answers = seen.matching(lambda p: ARP in p and p[ARP].op == 2)
    assert [(p.src, p[ARP].hwsrc) for p in answers] == [(VMAC, VMAC)], "the interface answered too"
    device = devices(vipd.node)["vrrp.51"]
    assert device["address"] == VMAC and device["link"] == "eth0"
    assert device["linkinfo"]["info_data"]["mode"] == "private"
    assert arp_settings(vipd.node) == ["1", "1"]
    vipd.stop()
    assert devices(vipd.node) == {}
    assert arp_settings(vipd.node) == ["0", "0"]


def test_of_ipv6_too(lab):
    vipd = one_router(lab, vips=("fe80::51", "2001:db8::51"))
    vipd.node.sysctl(**{f"net__ipv6__conf__{of}__disable_ipv6": 0
                        for of in ("all", "default", "eth0")})
    vipd.node.ip("addr add fe80::77:11/64 dev eth0 nodad")
    other = lab.node("d2", "10.77.0.99/24")
    with Sniffer(other.ns, lambda p: IPv6 in p) as seen:
        vipd.start()
        vipd.wait_vip("2001:db8::51")
        seen.wait(lambda p: p[IPv6].nh == 112 and p.src == VMAC6 and p[IPv6].dst == "ff02::12")
        na = seen.wait(lambda p: ICMPv6ND_NA in p and p[ICMPv6ND_NA].tgt == "2001:db8::51")
    assert na.src == VMAC6 and na.lastlayer().lladdr == VMAC6
    assert set(devices(vipd.node)) == {"vrrp6.51"}
    adverts = seen.matching(lambda p: p[IPv6].nh == 112)
    assert {(p.src, p[IPv6].src) for p in adverts} == {(VMAC6, "fe80::77:11")}


def test_adverts_by_the_interface(lab):
    vipd = one_router(lab, lines=("use_vmac mine", "vmac_xmit_base"))
    with Sniffer(vipd.node.ns, lambda p: p.haslayer(IP) and p[IP].proto == 112) as seen:
        vipd.start()
        advert = seen.wait(timeout=10)
    assert advert.src == vipd.node.mac
    vipd.wait_vip(VIP)
    assert VIP in str(ip_json(vipd.node.ns, "addr show dev mine"))


def test_a_device_that_somebody_deletes_is_back_with_its_vip(lab):
    vipd = one_router(lab).start()
    vipd.wait_vip(VIP)
    vipd.wait_state("MASTER")
    vipd.node.ip("link del vrrp.51")
    wait_for(lambda: "vrrp.51" in devices(vipd.node) and vipd.has(VIP), 5, "the device and the VIP")
    vipd.node.ip("link set vrrp.51 down")
    wait_for(lambda: "UP" in devices(vipd.node)["vrrp.51"]["flags"], 5, "the device to be up")
    wait_for(lambda: vipd.counter("become_master") == 1, 5, "the count of one change")


def test_what_a_crash_leaves_behind_is_taken_up(lab):
    vipd = one_router(lab).start()
    vipd.wait_vip(VIP)
    before = devices(vipd.node)["vrrp.51"]["ifindex"]
    vipd.kill()
    assert vipd.has(VIP)
    with AddressWatch(vipd.node.ns) as watch:
        vipd.start()
        vipd.wait_state("MASTER")
    assert devices(vipd.node)["vrrp.51"]["ifindex"] == before
    assert vipd.has(VIP), watch.of(VIP, "del")
    vipd.stop()
    assert devices(vipd.node) == {}


def test_a_reload_gives_and_takes_the_device_without_a_change_of_master(lab):
    vipd = one_router(lab, lines=()).start()
    vipd.wait_vip(VIP)
    vipd.wait_state("MASTER")
    for lines in (("use_vmac",), ()):
        vipd.write(config.global_defs("d1") + config.vrrp_instance(
            version=3, advert_int=0.1, lines=lines, vips=[f"{VIP}/32"]))
        vipd.reload()
        wait_for(lambda: bool(devices(vipd.node)) == bool(lines) and vipd.has(VIP), 5,
                 "the VIP where it belongs")
    wait_for(lambda: vipd.counter("become_master") == 1, 5, "the count of one change")


@pytest.fixture(name="balancer")
def balancer_with_vmac(lab):
    balancer = Balancer(lab, start=False)
    for role, vipd in balancer.directors.items():
        text = balancer.text(role).replace("    virtual_ipaddress {", "    use_vmac\n    no_accept\n"
                                           "    virtual_ipaddress {").replace(" dev eth0", "")
        vipd.write(text)
        vipd.start()
    balancer.wait_ready()
    return balancer


def neighbour(node, address):
    known = ip_json(node.ns, f"neigh show to {address} dev eth0")
    return known[0].get("lladdr") if known else None


def test_traffic_to_the_mac_is_forwarded_and_needs_no_new_address_after_a_failover(balancer):
    d1, d2 = balancer.directors["d1"], balancer.directors["d2"]
    assert balancer.wait_answer()
    assert neighbour(balancer.client, VIP) == VMAC
    # The client never learns that anything has changed: it would keep the MAC for good.
    balancer.client.ip(f"neigh replace {VIP} lladdr {VMAC} dev eth0 nud permanent")
    def forwarded(vipd):
        return vipd.verdict("forwarded_dr")
    before = forwarded(d2)
    d1.node.link(up=False)
    d1.kill()
    d2.wait_vip(VIP)
    assert balancer.wait_answer()
    assert forwarded(d2) > before


def test_no_accept_drops_what_is_for_no_service(balancer):
    d1 = balancer.directors["d1"]
    assert balancer.wait_answer()
    client = balancer.client

    def ping(mac, address):
        send(client.ns, Ether(src=client.mac, dst=mac) / IP(src=CLIENT, dst=address) / ICMP())

    with Sniffer(client.ns, lambda p: ICMP in p and p[ICMP].type == 0) as answers:
        ping(VMAC, VIP)
        ping(d1.node.mac, OWN)
        answers.wait(what="the answer of the node's own address")
        assert {p[IP].src for p in answers.matching()} == {OWN}
    d1.wait_verdict("drop_not_accepted")
    with Sniffer(client.ns, lambda p: ARP in p and p[ARP].op == 2) as seen:
        send(client.ns, Ether(src=client.mac, dst="ff:ff:ff:ff:ff:ff")
             / ARP(op=1, hwsrc=client.mac, psrc=CLIENT, pdst=VIP))
        seen.wait(what="the answer to ARP, which is no packet to the VIP")
