# SPDX-License-Identifier: Apache-2.0
"""What a start that fails, a second daemon and an end in trouble leave on the machine."""
import os
import signal

import pytest
from scapy.all import ARP, Ether

from vipdlab import config, lab as laboratory, wire
from vipdlab.daemon import Vipd
from vipdlab.lab import build_path
from vipdlab.netns import LabError, wait_for
from vipdlab.scenes import CLIENT, VIP, Balancer, VrrpPair
from vipdlab.wire import Sniffer

SERVICE = config.virtual_server(VIP, 80, ["10.77.0.21"], check=None)


def attached(node):
    """The id of the XDP program on eth0, or None."""
    return laboratory.netns.ip_json(node.ns, "-d link show dev eth0")[0].get(
        "xdp", {}).get("prog", {}).get("id")


def pins(vipd):
    """What is pinned for the instance: files with their inodes, which a new pin would change."""
    return {os.path.join(folder, name): os.stat(os.path.join(folder, name)).st_ino
            for folder, _, names in os.walk(vipd.pins) for name in names}


def end_of(vipd, *words, timeout=15):
    """Starts it where it has to end by itself; its exit status and last line."""
    process = vipd.node.start("vipd-refused", [*vipd.argv(), *words])
    try:
        status = process.wait(timeout)
    except LabError:
        pytest.fail(f"it goes on running:\n{process.tail()}")
    lines = process.log().strip().splitlines()
    assert lines, "nothing was said"
    return status, lines[-1]


def answers_arp(client, director, vip):
    """Whether a question for the VIP is answered by this director."""
    question = (Ether(src=client.mac, dst="ff:ff:ff:ff:ff:ff")
                / ARP(op=1, hwsrc=client.mac, psrc=CLIENT, pdst=vip))
    with Sniffer(client.ns, lambda p: ARP in p and p[ARP].op == 2) as answers:
        wire.send(client.ns, question)
        try:
            return answers.wait(lambda p: p[ARP].psrc == vip, timeout=2)[ARP].hwsrc == director.mac
        except LabError:
            return False


def test_checks_alone_leave_a_foreign_vip_reachable(lab):
    """vipd -C beside another VRRP daemon: the instances of the file are not its own to keep quiet."""
    scene = Balancer(lab, directors=("d1",), reals=("r1",), start=False)
    d1 = scene.directors["d1"]
    d1.node.ip(f"addr add {VIP}/32 dev eth0")
    assert answers_arp(scene.client, d1.node, VIP)
    d1.process = d1.node.start("vipd-d1", [*d1.argv(), "-C"])
    d1.wait_ready()
    d1.wait_real(scene.reals["r1"].address, True)
    assert "vrrp" not in [p["role"] for p in d1.status()["processes"] if p["pid"]]
    assert d1.has(VIP)
    assert answers_arp(scene.client, d1.node, VIP)
    assert scene.get() == "r1"
    d1.process.signal(signal.SIGTERM)
    assert d1.process.wait() == 0
    assert d1.has(VIP)


@pytest.mark.parametrize("key", ["missing", "world-readable", "empty"])
def test_start_without_a_usable_sync_key_leaves_nothing(lab, key):
    scene = Balancer(lab, directors=("d1",), reals=("r1",), start=False, nginx=False, check=None)
    d1 = scene.directors["d1"]
    path = os.path.join(lab.folder, "some.key")
    if key != "missing":
        with open(path, "w", encoding="ascii") as file:
            file.write("" if key == "empty" else "0" * 64 + "\n")
        os.chmod(path, 0o600 if key == "empty" else 0o644)
    d1.write(SERVICE + config.vipd(peers=["10.77.0.12"], key_file=path))
    status, said = end_of(d1)
    assert status == 1, said
    assert path in said
    assert attached(d1.node) is None
    assert pins(d1) == {}
    assert not os.path.exists(d1.socket)
    assert not d1.has(VIP)


def test_a_second_vipd_of_the_same_instance_touches_nothing(lab):
    """Another pid file makes it no other instance: pins and VIPs are the first one's."""
    scene = Balancer(lab, directors=("d1",))
    d1 = scene.directors["d1"]
    before = pins(d1), attached(d1.node), d1.status()["pid"]
    assert before[0]
    assert before[1]
    status, said = end_of(d1, "-p", f"{d1.node.folder()}/another.pid")
    assert status == 1, said
    assert str(before[2]) in said, "who has it is not named"
    assert (pins(d1), attached(d1.node), d1.status()["pid"]) == before
    assert d1.state() == "MASTER"
    assert {scene.get() for _ in range(10)} == {"r1", "r2"}


def test_stop_while_vrrp_is_in_back_off_removes_the_vip(lab):
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    d1 = pair.d1

    def vrrp():
        return next(p for p in d1.status()["processes"] if p["role"] == "vrrp")

    for _ in range(3):
        pid = wait_for(lambda: vrrp()["state"] == "running" and vrrp()["pid"], 15,
                       lambda: f"vrrp running: {vrrp()}")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: vrrp()["pid"] != pid, 5, "its end to be known", interval=0.005)
    wait_for(lambda: vrrp()["state"] == "waiting", 5, lambda: f"the back-off: {vrrp()}",
             interval=0.005)
    # The other takes over meanwhile: it must not be two that have the VIP.
    pair.wait_master(pair.d2)
    family = d1.process.family()
    d1.process.signal(signal.SIGTERM)
    assert d1.process.wait() == 0
    assert not d1.has(VIP)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in family)
    assert pair.masters() == ["d2"]


def test_stop_just_after_vrrp_was_killed_removes_the_vip(lab):
    """Core is told to end while the new vrrp process does not yet know what the old one had."""
    pair = VrrpPair(lab)
    pair.wait_master(pair.d1)
    d1 = pair.d1
    os.kill(d1.role_pid("vrrp"), signal.SIGKILL)
    d1.process.signal(signal.SIGTERM)
    assert d1.process.wait() == 0
    assert not d1.has(VIP)


def test_an_end_told_to_all_processes_at_once_is_in_order(lab):
    """pkill vipd: the roles leave the order to core."""
    scene = Balancer(lab, reals=("r1",))
    d1, d2 = scene.directors.values()
    family = d1.process.family()
    roles = [d1.role_pid("vrrp"), d1.role_pid("check")]
    for pid in [*roles, d1.process.popen.pid]:
        os.kill(pid, signal.SIGTERM)
    assert d1.process.wait() == 0
    assert "terminated" not in d1.process.log()
    assert not d1.has(VIP)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in family)
    d2.wait_vip(VIP)


def test_a_role_that_alone_is_told_to_end_is_started_anew(lab):
    scene = Balancer(lab, directors=("d1",), reals=("r1",))
    d1 = scene.directors["d1"]
    check = d1.role_pid("check")
    os.kill(check, signal.SIGTERM)
    wait_for(lambda: d1.role_pid("check") not in (None, check), 15, "a new check process")
    assert "Stopped: terminated" in d1.process.log()
    assert d1.state() == "MASTER"
    assert d1.has(VIP)


@pytest.mark.parametrize("missing", ["bpf,-sys_admin", "net_admin", "net_raw", "setuid", "setgid",
                                     "kill"])
def test_a_start_without_a_capability_is_one_sentence(lab, missing):
    node = lab.node("d1", "10.77.0.11/24")
    vipd = Vipd(node, SERVICE)
    process = node.start("vipd-refused", ["setpriv", f"--bounding-set=-{missing}",
                                          f"--inh-caps=-{missing}", *vipd.argv()])
    assert process.wait(15) != 0
    lines = process.log().strip().splitlines()
    assert len(lines) == 1, lines
    assert f"CAP_{missing.split(',')[0].upper()} is missing (" in lines[0]
    assert "run vipd as root or give it the capability" in lines[0]
    assert attached(node) is None
    assert pins(vipd) == {}


def test_a_start_without_sys_admin_needs_only_cap_bpf(lab):
    node = lab.node("d1", "10.77.0.11/24")
    vipd = Vipd(node, SERVICE)
    vipd.process = node.start("vipd-d1", ["setpriv", "--bounding-set=-sys_admin",
                                          "--inh-caps=-sys_admin", *vipd.argv()])
    vipd.wait_ready()


def test_a_start_that_fails_in_the_program_is_one_sentence(lab):
    """Root of a user namespace has every capability, and may load nothing."""
    node = lab.node("d1", "10.77.0.11/24")
    vipd = Vipd(node, SERVICE)
    process = node.start("vipd-refused", ["unshare", "--user", "--map-root-user", *vipd.argv()])
    assert process.wait(15) != 0
    refusals = [line for line in process.log().strip().splitlines() if "Starting vipd" not in line]
    assert len(refusals) == 1, refusals
    assert "CAP_BPF" in refusals[0]
    assert attached(node) is None
    assert pins(vipd) == {}
