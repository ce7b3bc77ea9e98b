# SPDX-License-Identifier: Apache-2.0
"""What vipd says to a configuration or a machine that it cannot run with."""
import os
import signal
import subprocess

import pytest

from vipdlab import config
from vipdlab.daemon import Vipd, check_config
from vipdlab.lab import build_path
from vipdlab.netns import run, wait_for
from vipdlab.scenes import VIP, Balancer

GOOD = config.global_defs("node") + config.vrrp_instance(interface="lo", vips=[VIP])


def sentence(text):
    """The one line that a failed start ends with."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    assert lines, "nothing was said"
    return lines[-1]


@pytest.mark.parametrize("name, text, status", [
    ("good", GOOD, 0),
    ("unknown-keyword", GOOD.replace("priority 100", "priority 100\n    priorty 100"), 5),
    ("insecure-script", GOOD + 'vrrp_script s {\n    script "/bin/true"\n}\n', 6),
])
def test_config_test_exits_like_keepalived(tmp_path, name, text, status):
    path = tmp_path / f"{name}.conf"
    path.write_text(text)
    done = check_config(str(path))
    assert done.returncode == status, done.stderr


def dump_config(path):
    return subprocess.run([build_path("bin/vipd"), "--dump-config", "-f", str(path)],
                          capture_output=True, text=True, timeout=30)


def test_dumped_config_is_a_configuration_that_is_dumped_the_same(tmp_path):
    path = tmp_path / "first.conf"
    path.write_text("$PRIORITY=77\n" + GOOD.replace("priority 100", "priority $PRIORITY\n"
                                                    "    notify_master /none/such"))
    first = dump_config(path)
    assert first.returncode == 0, first.stderr
    assert "will not run" in first.stderr
    assert "    priority 77\n" in first.stdout
    assert "    notify_master /none/such\n" in first.stdout
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    assert dump_config(again).stdout == first.stdout


def test_config_with_errors_is_not_dumped(tmp_path):
    path = tmp_path / "typo.conf"
    path.write_text(GOOD.replace("priority 100", "priorty 100"))
    done = dump_config(path)
    assert (done.returncode, done.stdout) == (5, "")
    assert "priorty" in done.stderr


def test_config_test_of_a_missing_file_exits_4(tmp_path):
    done = check_config(str(tmp_path / "none.conf"))
    assert done.returncode == 4
    assert "none.conf" in sentence(done.stderr)


def test_diagnostic_shows_place_line_caret_and_spelling(tmp_path):
    path = tmp_path / "typo.conf"
    path.write_text(GOOD.replace("virtual_router_id 51", "virtual_router_idd 51"))
    done = check_config(str(path))
    line = 1 + path.read_text().splitlines().index("    virtual_router_idd 51")
    assert f"typo.conf:{line}:5" in done.stderr
    assert "    virtual_router_idd 51" in done.stderr
    assert "^" in done.stderr
    assert "virtual_router_id'" in done.stderr


def start_and_end(argv, timeout=15, **keywords):
    """A start that has to fail by itself."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, **keywords)
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{argv} goes on running: {error.stderr}")


def vipd(path):
    return [build_path("bin/vipd"), "-n", "-l", "-f", str(path)]


def test_start_without_configuration_ends_with_a_sentence(tmp_path):
    done = start_and_end(vipd(tmp_path / "none.conf"))
    assert done.returncode in (2, 4, 6)
    assert "none.conf" in sentence(done.stderr)


def test_start_with_broken_configuration_runs_what_is_left_of_it(lab):
    """As keepalived does: what is wrong is reported with its place and skipped."""
    node = lab.node("d1", "10.77.0.11/24")
    text = config.vrrp_instance(vips=["10.77.0.99"]).replace("virtual_router_id 51", "")
    daemon = Vipd(node, text + config.vrrp_instance("VI_2", vips=[VIP], version=3, advert_int=0.1))
    daemon.start()
    daemon.wait_vip(VIP)
    assert [entry["name"] for entry in daemon.status()["instances"]] == ["VI_2"]
    assert daemon.logged(r"vipd.conf:3:\d+: error: .*virtual_router_id")
    assert not daemon.has("10.77.0.99")


def service(instance):
    return (f"instance {instance}\n" + config.virtual_server(
        VIP, 80, ["10.77.0.21"], check=None))


def test_start_without_bpffs_says_what_to_do(lab, tmp_path):
    path = tmp_path / "service.conf"
    path.write_text(service(lab.instance(f"test-nobpffs-{os.getpid()}")))
    node = lab.node("d1", "10.77.0.11/24")
    done = start_and_end(["nsenter", f"--net=/run/netns/{node.ns}", "unshare", "--mount", "sh",
                          "-c", 'while umount /sys/fs/bpf 2>/dev/null; do :; done; exec "$@"', "sh", *vipd(path)])
    assert done.returncode != 0
    assert "bpf" in sentence(done.stderr)
    assert "mount" in sentence(done.stderr)


def test_start_without_capabilities_says_what_to_do(lab, tmp_path):
    path = tmp_path / "service.conf"
    path.write_text(service(lab.instance(f"test-nocap-{os.getpid()}")))
    node = lab.node("d1", "10.77.0.11/24")
    done = start_and_end(["nsenter", f"--net=/run/netns/{node.ns}", "setpriv", "--bounding-set=-all",
                          "--inh-caps=-all", *vipd(path)])
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "CAP_NET_ADMIN is missing (" in done.stderr


def test_missing_interface_is_named(lab):
    """keepalived's word for it stays an error of the instance; the daemon says which interface."""
    node = lab.node("d1", "10.77.0.11/24")
    path = node.write("missing.conf", config.vrrp_instance(interface="eth7", vips=[VIP]))
    done = check_config(path, namespace=node.ns)
    assert done.returncode in (4, 5)
    assert "eth7" in done.stderr


def test_reload_with_a_broken_file_changes_nothing(lab):
    node = lab.node("d1", "10.77.0.11/24")
    text = config.global_defs("d1") + config.vrrp_instance(version=3, advert_int=0.1, vips=[VIP])
    daemon = Vipd(node, text).start()
    daemon.wait_state("MASTER")
    before = daemon.status()
    for broken in ("vrrp_instance VI_1 {\n", "\0\1\2", text.replace("interface eth0", ""), "", "! nothing\n",
                   config.global_defs("d1")):
        daemon.write(broken)
        daemon.reload()
        wait_for(lambda: (daemon.status()["config"]["last_reload"] or {}).get("ok") is False, 10,
                 "the refusal of a broken file")
        after = daemon.status()
        assert after["config"]["generation"] == before["config"]["generation"]
        assert after["instances"][0]["state"] == "MASTER"
        assert after["instances"][0]["vips"] == before["instances"][0]["vips"]
        assert [p["pid"] for p in after["processes"]] == [p["pid"] for p in before["processes"]]
        daemon.write(text)
        daemon.reload()
        wait_for(lambda: daemon.status()["config"]["last_reload"]["ok"], 10, "a good reload")
        # The vrrp process has told of its instances since.
        before = wait_for(lambda: (status := daemon.status())["instances"][0]["vips"] and status, 10,
                          "the VIPs in the status")


def test_stop_leaves_no_address_and_no_socket(lab):
    node = lab.node("d1", "10.77.0.11/24")
    text = config.vrrp_instance(version=3, advert_int=0.1, vips=[VIP])
    daemon = Vipd(node, text).start()
    daemon.wait_vip(VIP)
    family = daemon.process.family()
    assert len(family) >= 2, "core and vrrp are processes of their own"
    daemon.process.signal(signal.SIGTERM)
    assert daemon.process.wait() == 0
    assert not daemon.has(VIP)
    assert not os.path.exists(daemon.socket)
    assert not any(os.path.exists(f"/proc/{pid}") for pid in family)
    assert run(["ip", "netns", "pids", node.ns]).stdout == ""


def test_processes_have_the_names_the_priority_and_the_umask_of_the_file(lab):
    scene = Balancer(lab, directors=("d1",), reals=("r1",), start=False)
    d1 = scene.directors["d1"]
    own = scene.text("d1").replace(
        "global_defs {", "global_defs {\n process_name lb\n vrrp_process_name lb_vrrp\n"
        " checker_process_name lb_check\n checker_priority 7\n umask 027\n", 1)
    d1.write(own)
    d1.start()
    scene.wait_ready()

    def told(pid, file):
        with open(f"/proc/{pid}/{file}", encoding="ascii") as text:
            return text.read()

    def name(role):
        return told(d1.role_pid(role), "comm").strip()

    def nice(role):
        return int(told(d1.role_pid(role), "stat").rsplit(")", 1)[1].split()[16])

    core = d1.process.popen.pid
    assert told(core, "comm").strip() == "lb"
    assert (name("vrrp"), name("check"), nice("check")) == ("lb_vrrp", "lb_check", 7)
    assert "Umask:\t0027" in told(core, "status")
    d1.write(own.replace(" checker_process_name lb_check\n checker_priority 7\n", ""))
    d1.reload()
    wait_for(lambda: name("check") == "vipd_check", 10, lambda: name("check"))
