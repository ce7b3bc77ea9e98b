# SPDX-License-Identifier: Apache-2.0
"""What a vrrp_instance wants of its interfaces."""
from scapy.all import ARP

from vipdlab import config
from vipdlab.daemon import AddressWatch, Vipd
from vipdlab.netns import ip_json, wait_for
from vipdlab.scenes import DIRECTORS, VIP
from vipdlab.wire import Sniffer

OTHER_VIP = "10.78.0.100"


def one_director(lab, *before, lines=(), vips=()):
    node = lab.node("d1", f"{DIRECTORS['d1'][0]}/24")
    text = config.global_defs("d1") + "\n".join(before) + "\n"
    text += config.vrrp_instance(version=3, advert_int=0.1, lines=lines,
                                 vips=[f"{VIP}/24 dev eth0", *vips])
    return Vipd(node, text)


def promotes(node):
    return node.cmd(["sysctl", "-n", "net.ipv4.conf.eth0.promote_secondaries"]).stdout.strip()


def test_promote_secondaries_is_set_while_vipd_runs(lab):
    vipd = one_director(lab, lines=["promote_secondaries"])
    vipd.node.sysctl(net__ipv4__conf__eth0__promote_secondaries=0)
    vipd.start()
    vipd.wait_vip(VIP)
    assert promotes(vipd.node) == "1"
    # The node's own address goes; the VIP, another of its subnet, would go with it.
    own = DIRECTORS["d1"][0]
    with AddressWatch(vipd.node.ns) as watch:
        vipd.node.ip(f"addr del {own}/24 dev eth0")
        wait_for(lambda: watch.of(own, "del"), 5, "the address to go")
        assert watch.of(VIP, "del") == []
    assert vipd.has(VIP)
    vipd.stop()
    wait_for(lambda: promotes(vipd.node) == "0", 5, "the setting as it was")


def test_garp_extra_if_tells_of_an_address_on_another_interface(lab):
    vipd = one_director(lab, lines=["garp_extra_if all 1", "garp_master_delay 0"],
                        vips=[f"{OTHER_VIP}/24 dev side0"])
    vipd.node.ip("link add side0 type veth peer name side1")
    for name in ("side0", "side1"):
        vipd.node.ip(f"link set {name} up")
    with Sniffer(vipd.node.ns, lambda p: ARP in p and p[ARP].psrc == OTHER_VIP,
                 device="side1") as seen:
        vipd.start()
        # Five of becoming master, then one each second.
        seen.wait(count=7, timeout=15)


def test_an_interface_that_is_down_for_a_moment_was_never_down(lab):
    vipd = one_director(lab, "interface_up_down_delays {\n    eth0 5 0.2\n}")
    vipd.start()
    vipd.wait_state("MASTER")
    def adverts():
        return vipd.counter("advert_tx") + vipd.counter("send_error")

    def running():
        return "LOWER_UP" in ip_json(vipd.node.ns, "link show dev eth0")[0]["flags"]

    vipd.node.link(up=False)
    wait_for(lambda: not running(), 5, "the loss of the carrier")
    tried = adverts()
    wait_for(lambda: adverts() > tried + 3, 5, "adverts all the same")
    vipd.node.link(up=True)
    wait_for(running, 5, "the carrier")
    tried = adverts()
    wait_for(lambda: adverts() > tried + 5, 10, "more adverts")
    assert vipd.state() == "MASTER"
    assert vipd.counter("release_master") == 0


def test_a_static_route_that_cannot_be_put_back_is_a_fault_of_its_track_group(lab):
    vipd = one_director(lab, "track_group G {\n    group {\n        VI_1\n    }\n}",
                        "static_routes {\n    10.79.0.0/16 via 10.78.0.1 dev side0 "
                        "track_group G\n}")
    vipd.node.ip("link add side0 type veth peer name side1")
    vipd.node.ip("addr add 10.78.0.2/24 dev side0")
    vipd.node.ip("link set side1 up")
    vipd.node.ip("link set side0 up")
    vipd.start()
    vipd.wait_state("MASTER")
    vipd.node.ip("link set side0 down")
    vipd.wait_state("FAULT", 15)
    vipd.wait_log("track_group G lacks")
    vipd.node.ip("link set side0 up")
    vipd.wait_state("MASTER", 15)
