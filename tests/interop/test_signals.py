# SPDX-License-Identifier: Apache-2.0
"""What the signals of keepalived make it write, and vipd the same: names, places, values."""
import json
import os
import re
import signal
import stat
import subprocess

import pytest

from vipdlab import config
from vipdlab.lab import build_path
from vipdlab.netns import wait_for
from vipdlab.scenes import DIRECTORS, Keepalived, Vipd, VrrpPair

TRACKED = 5
LINES = ("garp_master_refresh 60", 'notify_master "/usr/bin/true m"', 'notify "/usr/bin/true"',
         "virtual_ipaddress_excluded { 10.77.0.102 }", f"track_interface {{ lo weight {TRACKED} }}")
FILES = ("keepalived.data", "keepalived.stats", "keepalived.json")


def with_own_tmpdir(program):
    """The daemon with a $TMPDIR of its own on its node."""
    class Dumping(program):
        def argv(self):
            os.makedirs(self.folder, exist_ok=True)
            return ["env", f"TMPDIR={self.folder}", *super().argv()]

        @property
        def folder(self):
            return f"{self.node.folder()}/dumps"

        def path(self, name):
            return f"{self.folder}/{name}"

        def dump(self, name, number):
            """The file that this signal has it write."""
            if os.path.exists(self.path(name)):
                os.unlink(self.path(name))
            self.process.signal(number)
            wait_for(lambda: os.path.exists(self.path(name)) and os.path.getsize(self.path(name)),
                     10, lambda: f"{name}:\n{self.process.tail()}")
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()

        def json(self):
            return json.loads(self.dump("keepalived.json", signal.SIGRTMIN + 2))

    return Dumping


@pytest.fixture
def pair(lab):
    """vipd is master, keepalived its backup, with one configuration but for the priority."""
    made = VrrpPair(lab, (with_own_tmpdir(Vipd), with_own_tmpdir(Keepalived)), lines=LINES)
    made.wait_master(made.d1)
    return made


def kinds(value):
    """The shape of a JSON value: its members, their types."""
    if isinstance(value, dict):
        return {name: kinds(member) for name, member in value.items()}
    if isinstance(value, list):
        return [kinds(member) for member in value]
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


def test_json_has_the_members_of_keepalived(pair):
    ours, theirs = pair.d1.json(), pair.d2.json()
    assert kinds(ours) == kinds(theirs)
    assert list(ours[0]["data"]) == list(theirs[0]["data"])
    assert list(ours[0]["stats"]) == list(theirs[0]["stats"])
    own = {"base_priority", "effective_priority", "master_priority", "last_transition", "state",
           "vipset", "vips", "evips", "wantstate"}
    for name, value in theirs[0]["data"].items():
        if name not in own:
            assert ours[0]["data"][name] == value, name
    # keepalived as the backup says the same without the word for "on the interface".
    for name in ("vips", "evips"):
        assert ours[0]["data"][name] == [vip + " set" for vip in theirs[0]["data"][name]]
    assert (ours[0]["data"]["state"], theirs[0]["data"]["state"]) == (2, 1)
    assert theirs[0]["data"]["master_priority"] == DIRECTORS["d1"][1] + TRACKED
    assert stat.S_IMODE(os.stat(pair.d1.path("keepalived.json")).st_mode) == 0o600


def test_stats_are_laid_out_as_keepalived_does(pair):
    ours = pair.d1.dump("keepalived.stats", signal.SIGUSR2)
    theirs = pair.d2.dump("keepalived.stats", signal.SIGUSR2)
    assert re.sub(r"\d+$", "N", ours, flags=re.M) == re.sub(r"\d+$", "N", theirs, flags=re.M)
    assert re.search(r"Became master: 1$", ours, re.M)
    pair.d1.dump("keepalived.stats", signal.SIGRTMAX - 1)
    assert re.search(r"Became master: 0$", pair.d1.dump("keepalived.stats", signal.SIGUSR2), re.M)


def test_data_has_the_lines_that_are_read_from_it(pair):
    ours = pair.d1.dump("keepalived.data", signal.SIGUSR1)
    theirs = pair.d2.dump("keepalived.data", signal.SIGUSR1).splitlines()
    for line in ours.splitlines():
        name = line.split(" = ")[0]
        # keepalived has no word for who the master is.
        if (" = " in line or line.startswith("------<")) and "Master router" not in name:
            assert any(other.split(" = ")[0] == name for other in theirs), line
    assert re.search(r"^ VRRP Instance = VI_1\n   VRRP Version = 3\n   State = MASTER$", ours, re.M)


def test_a_full_disk_leaves_the_last_dump_and_the_daemon(lab, pair):
    d1 = pair.d1
    before = d1.dump("keepalived.json", signal.SIGRTMIN + 2)
    full = f"{lab.folder}/full"
    os.makedirs(full)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", full], check=True)
    try:
        os.rename(d1.folder, d1.folder + ".away")
        os.symlink(full, d1.folder)
        with open(f"{full}/keepalived.json", "w", encoding="ascii") as file:
            file.write("x" * 4096)
        d1.process.signal(signal.SIGRTMIN + 2)
        d1.wait_log(r"Not written: .*keepalived.json: No space left on device")
        with open(f"{full}/keepalived.json", encoding="ascii") as file:
            assert file.read() == "x" * 4096
        assert os.listdir(full) == ["keepalived.json"], "half a file was left"
        assert d1.state() == "MASTER"
    finally:
        subprocess.run(["umount", full], check=True)
    assert before


def test_pid_files_are_where_they_were_asked_for(lab):
    node = lab.node("d1", "10.77.0.11/24")
    vipd = Vipd(node, config.vrrp_instance(vips=["10.77.0.100/32"]))
    files = {name: f"{node.folder()}/{name}.pid" for name in ("core", "vrrp")}
    vipd.process = node.start("vipd-d1", [*vipd.argv(), "-p", files["core"], "-r", files["vrrp"]])
    vipd.wait_ready()

    def pid_in(name):
        with open(files[name], encoding="ascii") as file:
            return int(file.read())

    assert pid_in("core") == vipd.status()["pid"]
    assert pid_in("vrrp") == vipd.role_pid("vrrp")
    vipd.stop()
    assert not [path for path in files.values() if os.path.exists(path)]


@pytest.mark.parametrize("name", ["STOP", "RELOAD", "DATA", "STATS", "STATS_CLEAR", "JSON", "X"])
def test_signum_is_that_of_keepalived(name):
    ours, theirs = (subprocess.run([program, f"--signum={name}"], capture_output=True, text=True,
                                   check=False)
                    for program in (build_path("bin/vipd"), "/usr/sbin/keepalived"))
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode, theirs.stdout, theirs.stderr)
