# SPDX-License-Identifier: Apache-2.0
"""The interface of a vrrp_instance goes, comes back, changes its name, address or MTU: in each state, in
peace and while the configuration is read anew. keepalived's log of crashes names this first."""
import contextlib
import os
import signal

import pytest
from scapy.layers.vrrp import VRRPv3

from vipdlab import config, netns
from vipdlab.daemon import Vipd
from vipdlab.netns import ip_json, wait_for
from vipdlab.scenes import DIRECTORS, VIP
from vipdlab.wire import Sniffer

OWN, STRONGER = (DIRECTORS[role][0] for role in ("d1", "d2"))
OTHER = "10.77.0.13"
PRIORITY, RELOADED = 100, 101


class Scene:
    """d1 under test, alone or with a stronger d2; side0, whose loss is a fault that has nothing to do
    with eth0."""

    def __init__(self, lab, state):
        self.lab, self.state = lab, state
        self.node = lab.node("d1", f"{OWN}/24")
        self.node.ip("link add side0 type veth peer name side1")
        for name in ("side0", "side1"):
            self.node.ip(f"link set {name} {'down' if state == 'FAULT' else 'up'}")
        self.vipd = Vipd(self.node, self.text(PRIORITY))
        self.stronger = None
        if state == "BACKUP":
            node = lab.node("d2", f"{STRONGER}/24")
            self.stronger = Vipd(node, config.global_defs("d2") + config.vrrp_instance(
                version=3, advert_int=0.1, priority=200, vips=[f"{VIP}/32 dev eth0"])).start()
            self.stronger.wait_vip(VIP)
        self.vipd.start()
        self.vipd.wait_state(state)

    @staticmethod
    def text(priority):
        return config.global_defs("d1") + config.vrrp_instance(
            version=3, advert_int=0.1, priority=priority, vips=[f"{VIP}/32 dev eth0"],
            lines=["track_interface {", "    side0", "}"])

    def reload(self, priority):
        self.vipd.write(self.text(priority))
        self.vipd.reload()

    @contextlib.contextmanager
    def stopped(self):
        """Its vrrp process stands still, and sees afterwards what has become of it all."""
        pid = self.vipd.role_pid("vrrp")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def everywhere(self):
        """The addresses of all interfaces of d1."""
        return [address["local"] for link in ip_json(self.node.ns, "addr show")
                for address in link.get("addr_info", [])]

    def connect(self):
        netns.connect(self.lab.switch, "p-d1", self.node.ns, "eth0")
        netns.ip(self.lab.switch, "link set p-d1 master br0")
        self.node.ip(f"addr add {OWN}/24 dev eth0")

    def rename(self, old, new):
        """While it is up, where the kernel allows it: nothing else tells then."""
        if self.node.cmd(f"ip link set {old} name {new}", check=False).returncode:
            self.node.ip(f"link set {old} down")
            self.node.ip(f"link set {old} name {new}")
            self.node.ip(f"link set {new} up")

    def settles(self, source, priority):
        """It is what it was, speaks from this address, and can still be what it has to be."""
        if self.state == "FAULT":
            self.vipd.wait_state("FAULT")
            for name in ("side0", "side1"):
                self.node.ip(f"link set {name} up")
        if self.state == "BACKUP":
            self.vipd.wait_state("BACKUP")
            assert self.vipd.counter("become_master") == 0
            assert not self.vipd.has(VIP)
            self.stronger.stop()
        self.vipd.wait_vip(VIP)
        self.vipd.wait_state("MASTER")
        self.speaks(source, priority)
        assert self.everywhere().count(VIP) == 1

    def speaks(self, source, priority):
        """The next advert of this priority comes from this address, and soon."""
        with Sniffer(self.lab.switch, lambda p: VRRPv3 in p, device="p-d1") as adverts:
            seen = adverts.wait(lambda p: (p.payload.src, p[VRRPv3].priority) == (source, priority))
        assert seen[VRRPv3].addrlist == [VIP]


def deleted(scene):
    scene.node.ip("link del eth0")
    yield "FAULT"
    scene.connect()
    yield OWN


def renamed(scene):
    scene.rename("eth0", "away0")
    yield "FAULT"
    scene.rename("away0", "eth0")
    yield OWN


def replaced(scene):
    """Another one with its name while nobody looks: only the index tells."""
    with scene.stopped():
        scene.node.ip("link set eth0 down")
        scene.node.ip("link set eth0 name away0")
        netns.ip(scene.lab.switch, "link set p-d1 name q-d1")
        scene.connect()
    yield None
    scene.node.ip("link del away0")
    yield OWN


def address_removed(scene):
    scene.node.ip(f"addr del {OWN}/24 dev eth0")
    # A master still has the VIP, and speaks from that rather than not at all.
    yield "MASTER" if scene.state == "MASTER" else "FAULT"
    scene.node.ip(f"addr add {OWN}/24 dev eth0")
    yield OWN


def address_changed(scene):
    scene.node.ip(f"addr add {OTHER}/24 dev eth0")
    yield scene.state
    scene.node.sysctl(net__ipv4__conf__eth0__promote_secondaries=1)
    scene.node.ip(f"addr del {OWN}/24 dev eth0")
    yield OTHER


def mtu_changed(scene):
    scene.node.ip("link set eth0 mtu 1280")
    yield scene.state
    scene.node.ip("link set eth0 mtu 1500")
    yield OWN


CHANGES = [deleted, renamed, replaced, address_removed, address_changed, mtu_changed]


@pytest.mark.parametrize("reload", [False, True], ids=["in-peace", "during-reload"])
@pytest.mark.parametrize("state", ["FAULT", "BACKUP", "MASTER"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_an_interface_changes(lab, change, state, reload):
    scene = Scene(lab, state)
    vipd, course = scene.vipd, change(scene)
    process = vipd.role_pid("vrrp")
    if reload:
        scene.reload(RELOADED)
    meanwhile = next(course)
    if reload:
        scene.reload(PRIORITY)
    if meanwhile:
        vipd.wait_state(meanwhile)
    if meanwhile == "FAULT":
        wait_for(lambda: VIP not in scene.everywhere(), 5, "the VIP to go, whatever its interface is called")
    if reload:
        scene.reload(RELOADED)
    source = next(course)
    if reload:  # a file that names an interface which is not there has been refused
        scene.reload(RELOADED)
    scene.settles(source, RELOADED if reload else PRIORITY)
    if change is mtu_changed and state == "MASTER":
        assert vipd.counter("release_master") == 0
    assert vipd.role_pid("vrrp") == process, "it has died"


def test_after_an_overrun_all_is_looked_at_anew(lab):
    scene = Scene(lab, "MASTER")
    with scene.stopped():
        # More events than its socket holds: what follows is lost.
        batch = "".join(f"addr add 10.{i // 250}.{i % 250}.1/32 dev side1\n"
                        f"addr del 10.{i // 250}.{i % 250}.1/32 dev side1\n" for i in range(20000))
        scene.node.cmd(["ip", "-batch", scene.node.write("flood", batch)])
        scene.node.ip(f"addr del {VIP}/32 dev eth0")
        scene.node.ip(f"addr add {OTHER}/24 dev eth0")
        scene.node.ip(f"addr del {OWN}/24 dev eth0")
        scene.node.ip(f"addr add {OTHER}/24 dev eth0", check=False)
    scene.vipd.wait_vip(VIP)
    scene.settles(OTHER, PRIORITY)


def test_an_interface_that_comes_after_the_start(lab):
    node = lab.node("d1", f"{OWN}/24")
    node.ip("link del eth0")
    vipd = Vipd(node, config.global_defs("d1") + config.vrrp_instance(
        version=3, advert_int=0.1, vips=[f"{VIP}/32 dev eth0"])).start()
    vipd.wait_state("FAULT")
    netns.connect(lab.switch, "p-d1", node.ns, "eth0")
    netns.ip(lab.switch, "link set p-d1 master br0")
    # Without an address of its own it has nothing to speak from.
    vipd.wait_log("eth0 has no IPv4 address|eth0 up")
    assert vipd.state() == "FAULT"
    node.ip(f"addr add {OWN}/24 dev eth0")
    vipd.wait_vip(VIP)
    vipd.wait_state("MASTER")
