# SPDX-License-Identifier: Apache-2.0
"""Routing daemons of Debian as peers: FRR (vrrpd, bfdd) and BIRD (BFD). Each runs from the folder of its
node: configuration, sockets and pid files are there, nothing is in /etc or /run."""
import json
import os
import shutil
import socket

import pytest

from . import netns
from .netns import LabError, wait_for


class Frr:
    """zebra and the daemons of `configs` (by name: "vrrpd", "bfdd"), run as FRR's own user."""

    FOLDER = "/usr/lib/frr"
    CRASH_LOGS = "/var/tmp/frr"  # built in; a daemon that is killed leaves its folder there

    def __init__(self, node, configs):
        self.node = node
        self.configs = {"zebra": f"hostname {node.role}\n", **configs}
        self.state = os.path.join(node.folder(), "frr")
        os.makedirs(self.state)
        shutil.chown(self.state, "frr", "frr")
        self.zserv = f"{self.state}/zserv.api"
        for name, text in self.configs.items():
            node.write(f"{name}.conf", text)
        self.processes = {}
        self.starts = 0

    def start(self):
        self.starts += 1
        for name in self.configs:
            # -P 0: no TCP port. Names that differ: each start has a log of its own.
            self.processes[name] = self.node.start(
                f"{name}-{self.node.role}-{self.starts}",
                [f"{self.FOLDER}/{name}", "-f", f"{self.node.folder()}/{name}.conf",
                 "-i", f"{self.state}/{name}.pid", "-z", self.zserv, "--vty_socket", self.state,
                 "--log", "stdout", "-P", "0"]
                + (["--bfdctl", f"{self.state}/bfdd.sock"] if name == "bfdd" else []))
            # The others look for zebra when they start and not again for 10 s.
            self._wait_socket(name, self.zserv if name == "zebra" else f"{self.state}/{name}.vty")
        return self

    def _wait_socket(self, name, path):
        def answers():
            if not self.processes[name].running():
                raise LabError(f"{name} has ended:\n{self.processes[name].tail()}")
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(path)
                    return True
                except OSError:
                    return False

        wait_for(answers, 10, lambda: f"{path}:\n{self.processes[name].tail()}")

    def running(self):
        return all(p.running() for p in self.processes.values())

    def stop(self):
        """The last first: zebra must be there to take back what the others have set."""
        for process in reversed(list(self.processes.values())):
            process.stop(10)

    def kill(self):
        for name, process in self.processes.items():
            process.kill_all()
            shutil.rmtree(f"{self.CRASH_LOGS}/{name}.{process.pid}", ignore_errors=True)

    def log(self, name):
        return self.processes[name].log()

    def show(self, command):
        done = self.node.cmd(["/usr/bin/vtysh", "--config_dir", self.state, "--vty_socket",
                              self.state, "-c", f"show {command} json"])
        return json.loads(done.stdout)


class FrrVrrp(Frr):
    """One virtual router of FRR, of one family. FRR keeps the VIP at a macvlan that has the virtual MAC;
    protocol-down means not master."""

    def __init__(self, node, *, vrid, priority, vips, advert_ms=100, link_local="fe80::77:12"):
        self.v6 = ":" in vips[0]
        self.vrid = vrid
        self.device = "vrrp6" if self.v6 else "vrrp4"
        lines = [f"vrrp {vrid} version 3", f"vrrp {vrid} priority {priority}",
                 f"vrrp {vrid} advertisement-interval {advert_ms}"]
        lines += [f"vrrp {vrid} {'ipv6' if self.v6 else 'ip'} {vip}" for vip in vips]
        super().__init__(node, {"vrrpd": "\n".join(
            ["debug vrrp packets", "interface eth0"] + lines) + "\n"})
        made = node.ip(f"link add {self.device} link eth0 type macvlan mode bridge", check=False)
        if self.device not in node.ip("link show"):
            pytest.skip(f"the kernel has no macvlan: {made}")
        node.ip(f"link set {self.device} addrgenmode none address "
                f"00:00:5e:00:0{2 if self.v6 else 1}:{vrid:02x}")
        own = [f"{link_local}/64"] if self.v6 else []
        for address in own + [f"{vip}/{64 if self.v6 else 32}" for vip in vips]:
            node.ip(f"addr add {address} dev {self.device}" + (" nodad" if self.v6 else ""))
        node.ip(f"link set {self.device} up")

    def router(self):
        """What vrrpd says of it: "status" (Master, Backup, Initialize), "stats", ..."""
        return self.show("vrrp")[0]["v6" if self.v6 else "v4"]

    def status(self):
        return self.router()["status"]

    def wait_status(self, status, timeout=15):
        wait_for(lambda: self.status() == status, timeout,
                 lambda: f"{status} at {self.node.role}:\n{self.processes['vrrpd'].tail()}")

    def has_vip(self):
        """What the kernel goes by: the device of the VIP is usable."""
        return "LOWER_UP" in netns.ip_json(self.node.ns, f"link show dev {self.device}")[0]["flags"]

    def wait_vip(self, has, timeout=5):
        wait_for(lambda: self.has_vip() == has, timeout,
                 f"the VIP {'at' if has else 'gone from'} {self.node.role}")


class FrrBfd(Frr):
    """One BFD session of FRR's bfdd; `ms` both ways."""

    MULTIHOP_TTL = 255

    def __init__(self, node, here, there, *, hops=1, ms=50, multiplier=5):
        self.there = there
        way = "multihop" if hops > 1 else ""
        where = "" if hops > 1 else "interface eth0"
        lines = ["bfd", f" peer {there} {way} local-address {here} {where}",
                 f"  detect-multiplier {multiplier}", f"  receive-interval {ms}",
                 f"  transmit-interval {ms}", "  no shutdown"]
        lines += [f"  minimum-ttl {256 - hops}"] if hops > 1 else []
        super().__init__(node, {"bfdd": "\n".join(lines) + "\n"})

    def session(self):
        """True when it is up."""
        peers = [p for p in self.show("bfd peers") if p["peer"] == self.there]
        return bool(peers) and peers[0]["status"] == "up"


class Bird:
    """One BFD session of BIRD."""

    MULTIHOP_TTL = 64  # the system's

    def __init__(self, node, here, there, *, hops=1, ms=50, multiplier=5):
        self.node = node
        self.there = there
        self.socket = f"{node.folder()}/bird.ctl"
        timing = (f"{{ min rx interval {ms} ms; min tx interval {ms} ms; idle tx interval 1 s; "
                  f"multiplier {multiplier}; }};")
        where, before, after = (("multihop", "", "multihop") if hops > 1
                                else ('interface "eth0"', 'dev "eth0"', ""))
        self.config = node.write("bird.conf", f"""
router id 10.77.0.12;
protocol device {{ }}
protocol bfd {{
    {where} {timing}
    neighbor {there} {before} local {here} {after};
}}
""")
        self.process = None

    def start(self):
        self.process = self.node.start("bird", ["/usr/sbin/bird", "-f", "-c", self.config,
                                                "-s", self.socket])
        return self

    def kill(self):
        self.process.kill_all()

    def session(self):
        """True when it is up."""
        done = self.node.cmd(["/usr/sbin/birdc", "-s", self.socket, "show", "bfd", "sessions"],
                             check=False)
        line = [words for words in map(str.split, done.stdout.splitlines())
                if words and words[0] == self.there]
        return bool(line) and line[0][2] == "Up"
