# SPDX-License-Identifier: Apache-2.0
"""The Debian package: installed into a root of its own, started from there, reloaded, purged."""
import glob
import os
import re
import signal
import subprocess

import pytest

from vipdlab import config
from vipdlab.daemon import Vipd
from vipdlab.lab import BUILD
from vipdlab.netns import wait_for


def run(*words, **keywords):
    done = subprocess.run(words, capture_output=True, text=True, check=False, **keywords)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    run("cpack", "--config", f"{BUILD}/CPackConfig.cmake", "-B", str(folder), cwd=BUILD)
    return glob.glob(f"{folder}/*.deb")[0]


@pytest.fixture
def root(tmp_path):
    """An empty system as dpkg sees one."""
    for name in ("updates", "info", "triggers"):
        os.makedirs(tmp_path / "var/lib/dpkg" / name)
    (tmp_path / "var/lib/dpkg/status").touch()
    (tmp_path / "usr/bin").mkdir(parents=True)
    return str(tmp_path)


def dpkg(root, *words):
    return run("dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless", *words)


def files(root):
    found = {os.path.relpath(os.path.join(folder, name), root)
             for folder, _, names in os.walk(root) for name in names}
    return {name for name in found if not name.startswith(("var/lib/dpkg", "var/log"))}


def test_what_is_in_it(package):
    fields = run("dpkg-deb", "-f", package)
    assert "Package: vipd\n" in fields
    for library in ("libbpf1", "libcurl4", "libpcre2-8-0", "libsystemd0", "libnl-3-200"):
        assert library in fields
    listing = run("dpkg-deb", "-c", package)
    for name in ("usr/sbin/vipd", "usr/sbin/vipadm", "usr/bin/vipctl", "usr/lib/vipd/genhash",
                 "usr/lib/systemd/system/vipd.service", "usr/share/man/man8/vipd.8",
                 "usr/share/man/man8/vipadm.8", "usr/share/man/man1/vipctl.1",
                 "usr/share/man/man5/vipd.conf.5", "usr/share/bash-completion/completions/vipadm"):
        assert f"./{name}" in listing, name
    assert " root/root " in listing.splitlines()[0]


def test_install_start_reload_purge(lab, package, root):
    dpkg(root, "-i", package)
    assert os.readlink(f"{root}/usr/bin/genhash") == "../lib/vipd/genhash"
    assert run(f"{root}/usr/sbin/vipd", "-t", "-f", f"{root}/etc/vipd/vipd.conf") == ""
    assert "genhash" in run(f"{root}/usr/bin/genhash", "-h")
    assert run(f"{root}/usr/sbin/vipadm", "--version").startswith("vipadm ")

    class Installed(Vipd):
        def argv(self):
            return [f"{root}/usr/sbin/vipd", "-n", "-l", "-f", self.config_path]

    vipd = Installed(lab.node("d1", "10.77.0.11/24"), config.vrrp_instance(vips=["10.77.0.100/32"]))
    vipd.start()
    before = vipd.status()["config"]["generation"]
    vipd.reload()
    wait_for(lambda: vipd.status()["config"]["generation"] > before, 10, "the reload")
    vipd.process.signal(signal.SIGTERM)
    assert vipd.process.wait() == 0

    dpkg(root, "--purge", "vipd")
    assert files(root) == set()
    assert not os.path.exists(f"{root}/etc/vipd")


def test_a_newer_version_takes_over_what_runs(lab, package, root):
    dpkg(root, "-i", package)

    class Installed(Vipd):
        def argv(self):
            return [f"{root}/usr/sbin/vipd", "-n", "-l", "-f", self.config_path]

    node = lab.node("d1", "10.77.0.11/24")
    vipd = Installed(node, config.vrrp_instance(version=3, advert_int=0.1, vips=["10.77.0.100/32"]))
    vipd.start()
    vipd.wait_state("MASTER")
    other = Vipd(lab.node("d2", "10.77.0.12/24"), config.vrrp_instance(vips=["10.77.0.101/32"]))
    other.start()
    before, untouched = vipd.status(), other.status()
    told = dpkg(root, "-i", package)
    assert f"going over to {root}/usr/sbin/vipd" in told
    after = vipd.status()
    assert after["pid"] == before["pid"]
    assert os.path.realpath(f"/proc/{after['pid']}/exe") == f"{root}/usr/sbin/vipd"
    assert vipd.state() == "MASTER"
    assert vipd.has("10.77.0.100")
    assert other.status()["uptime_ms"] >= untouched["uptime_ms"], "it runs another file"
    vipd.stop()
    dpkg(root, "--purge", "vipd")


def test_a_keepalived_conf_that_is_there_stays_the_one(package, root):
    os.makedirs(f"{root}/etc/keepalived")
    with open(f"{root}/etc/keepalived/keepalived.conf", "w", encoding="ascii") as file:
        file.write("global_defs {\n}\n")
    os.symlink("../sbin/keepalived", f"{root}/usr/bin/genhash")
    dpkg(root, "-i", package)
    assert not os.path.exists(f"{root}/etc/vipd/vipd.conf")
    assert os.readlink(f"{root}/usr/bin/genhash") == "../sbin/keepalived"
    dpkg(root, "--purge", "vipd")
    assert files(root) == {"etc/keepalived/keepalived.conf", "usr/bin/genhash"}


def test_the_unit_is_one(package, root):
    dpkg(root, "-i", package)
    unit = f"{root}/usr/lib/systemd/system/vipd.service"
    with open(unit, encoding="utf-8") as file:
        text = file.read()
    for line in ("Type=notify", "WatchdogSec=", "ExecReload=", "CapabilityBoundingSet="):
        assert line in text
    if os.path.exists("/usr/bin/systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", f"--root={root}", "--man=no", unit],
                              capture_output=True, text=True, check=False)
        # "vipd.service:12: Unknown key name"; other units are not there to be found.
        assert not re.search(r"vipd\.service:\d+:", done.stderr), done.stderr
