# SPDX-License-Identifier: Apache-2.0
"""The daemons under test on a node: vipd, and Debian's keepalived as the peer to agree with."""
import http.client
import json
import os
import re
import signal
import socket
import struct
import threading
import time

from . import netns
from .lab import BPFFS, RUNTIME, build_path
from .netns import LabError, wait_for


class Daemon:
    """What both have: a configuration on a node, a log, and VIPs that come and go."""

    program = ""

    def __init__(self, node, text=""):
        self.node = node
        self.config_path = node.write(f"{self.program}.conf", text)
        self.process = None
        self.starts = 0

    def write(self, text):
        self.node.write(f"{self.program}.conf", text)

    def argv(self):
        raise NotImplementedError

    def start(self):
        self.starts += 1
        name = f"{self.program}-{self.node.role}" + (f"-{self.starts}" if self.starts > 1 else "")
        self.process = self.node.start(name, self.argv())
        return self

    def running(self):
        return self.process is not None and self.process.running()

    def stop(self):
        return self.process.stop(10)

    def kill(self):
        """SIGKILL to all of its processes at once."""
        self.process.kill_all()

    def reload(self):
        self.process.signal(signal.SIGHUP)

    def log(self):
        return self.process.log() if self.process else ""

    def logged(self, pattern):
        return re.findall(pattern, self.log(), re.MULTILINE)

    def wait_log(self, pattern, timeout=5):
        return wait_for(lambda: self.logged(pattern), timeout,
                        lambda: f"'{pattern}' in the log of {self.node.role}:\n"
                                f"{self.process.tail()}")

    def has(self, vip):
        return self.node.has(vip)

    def wait_vip(self, vip, timeout=10):
        start = time.monotonic()
        wait_for(lambda: self.has(vip), timeout,
                 lambda: f"{vip} on {self.node.role}:\n{self.process.tail()}")
        return time.monotonic() - start

    def wait_no_vip(self, vip, timeout=10):
        wait_for(lambda: not self.has(vip), timeout,
                 lambda: f"{vip} gone from {self.node.role}:\n{self.process.tail()}")


class Keepalived(Daemon):
    program = "keepalived"

    def argv(self):
        folder = self.node.folder()
        return ["/usr/sbin/keepalived", "-n", "-l", "-D", "-f", self.config_path,
                "-p", f"{folder}/keepalived.pid", "-r", f"{folder}/vrrp.pid",
                "-c", f"{folder}/checkers.pid", "-b", f"{folder}/bfd.pid"]


class Vipd(Daemon):
    """vipd with `instance NAME` in front of its configuration: several can run on this host. The
    name is INSTANCE, or made of the lab's kind, the node's role and our pid."""

    program = "vipd"

    def __init__(self, node, text="", instance=None):
        self.instance = node.lab.instance(
            instance or f"{node.lab.kind}-{node.role}-{os.getpid()}")
        super().__init__(node, self.named(text))

    def named(self, text):
        return f"instance {self.instance}\n\n{text}"

    def write(self, text):
        super().write(self.named(text))

    def argv(self):
        return [build_path("bin/vipd"), "-n", "-l", "-f", self.config_path]

    def start(self, ready=True):
        super().start()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=15):
        def answers():
            if not self.running():
                raise LabError(f"vipd ended with status {self.process.popen.returncode}:\n"
                               f"{self.process.tail()}")
            return self.try_status()

        return wait_for(answers, timeout,
                        lambda: f"an answer of vipd on {self.node.role}:\n{self.process.tail()}")

    @property
    def socket(self):
        return f"{RUNTIME}/{self.instance}/api.sock"

    @property
    def pins(self):
        return f"{BPFFS}/vipd/{self.instance}"

    def vipctl(self, *words, check=True, timeout=20):
        return self.node.cmd([build_path("bin/vipctl"), "--socket", self.socket, *words],
                             check=check, timeout=timeout)

    def vipctl_json(self, *words):
        return json.loads(self.vipctl("--json", *words).stdout)

    def status(self):
        return self.vipctl_json("status")

    def try_status(self):
        if not os.path.exists(self.socket):
            return None
        done = self.vipctl("--json", "status", check=False)
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except json.JSONDecodeError:
            return None

    def vrrp(self, name=None):
        """The status of an instance (the only one, or the named one)."""
        for entry in self.status()["instances"]:
            if name in (None, entry["name"]):
                return entry
        raise LabError(f"vipd on {self.node.role} knows no instance {name}")

    def state(self, name=None):
        return self.vrrp(name)["state"]

    def wait_state(self, state, timeout=10, name=None):
        wait_for(lambda: self.state(name) == state, timeout,
                 lambda: f"{state} on {self.node.role} (is {self.state(name)}):\n"
                         f"{self.process.tail()}")

    def counter(self, counter, name=None):
        """A counter of a VRRP instance; 0 where it has never been counted."""
        return self.vrrp(name)["counters"].get(counter, 0)

    def real(self, address, port=80):
        """The status of the real server in the first service that has it."""
        for service in self.status()["services"]:
            for real in service["reals"]:
                if (real["address"], real["port"]) == (address, port):
                    return real
        raise LabError(f"vipd on {self.node.role} knows no real server {address}:{port}")

    def wait_real(self, address, alive, port=80, timeout=15):
        """Waits until its checkers have spoken so, and (alive) the way to it is resolved."""
        def so():
            real = self.real(address, port)
            return (real["known"] and real["alive"] == alive
                    and (not alive or real["next_hop"] is not None))

        wait_for(so, timeout,
                 lambda: f"{address}:{port} {'up' if alive else 'down'} at {self.node.role} "
                         f"({json.dumps(self.real(address, port))}):\n{self.process.tail()}",
                 interval=0.05)

    def synced(self):
        """True when every sync peer is connected and its snapshot is here."""
        peers = self.status()["sync"]["peers"]
        return bool(peers) and all(p["connected"] and p["synced"] for p in peers)

    def wait_synced(self, timeout=15):
        wait_for(self.synced, timeout,
                 lambda: f"sync of {self.node.role} ({self.status()['sync']}):\n"
                         f"{self.process.tail()}", interval=0.05)

    def flows(self, *filters):
        return self.vipctl_json("flows", "--limit", "1000000", *filters)["flows"]

    def flow_count(self, *filters):
        """How many there are, without the listing."""
        return self.vipctl_json("flows", "--limit", "0", *filters)["matched"]

    def get(self, path):
        """GET from its API socket: for polls that vipctl is too slow for."""
        connection = http.client.HTTPConnection("vipd", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(self.socket)
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise LabError(f"{path}: {answer.status} {text!r}")
        return json.loads(text)

    def verdict(self, name):
        """Packets that the XDP program gave this verdict."""
        return self.status()["verdicts"].get(name, {"packets": 0})["packets"]

    def wait_verdict(self, name):
        """At least one packet got this verdict: the status is up to a second old."""
        wait_for(lambda: self.verdict(name) > 0, 5, f"a packet with the verdict {name}")

    def sync_counter(self, name):
        """A counter of connection sync, added up over the daemon and its peers."""
        sync = self.status()["sync"]
        return sum(where["counters"].get(name, 0) for where in [sync, *sync["peers"]])

    def sync_rejects(self):
        """All that connection sync has turned away, by whatever name."""
        sync = self.status()["sync"]
        return sum(count for where in [sync, *sync["peers"]]
                   for name, count in where["counters"].items()
                   if name.startswith("reject_") or name == "unknown_address")

    def role_pid(self, role):
        for process in self.status()["processes"]:
            if process["role"] == role:
                return process["pid"]
        raise LabError(f"vipd on {self.node.role} has no process for {role}")


def check_config(path, *words, namespace=None):
    """vipd -t: the finished command, with its exit status and messages."""
    prefix = netns.enter(namespace) if namespace else []
    return netns.run(prefix + [build_path("bin/vipd"), "-t", "-f", path, *words], check=False)


class AddressWatch:
    """Address events of a namespace with their times, by netlink: what a poll could miss."""

    RTM_NEWADDR, RTM_DELADDR, IFA_LOCAL, GROUP_IPV4_IFADDR = 20, 21, 2, 0x10

    def __init__(self, namespace):
        with netns.inside(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        self._socket.bind((0, self.GROUP_IPV4_IFADDR))
        self._socket.settimeout(0.1)
        self._stop = False
        self.events = []  # (monotonic seconds, "add" or "del", address)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._stop:
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            now, at = time.monotonic(), 0
            while at + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind in (self.RTM_NEWADDR, self.RTM_DELADDR):
                    what = "add" if kind == self.RTM_NEWADDR else "del"
                    self._attributes(data[at + 24:at + length], now, what)
                at += (max(length, 16) + 3) & ~3

    def _attributes(self, data, now, what):
        at = 0
        while at + 4 <= len(data):
            length, kind = struct.unpack_from("=HH", data, at)
            if kind == self.IFA_LOCAL:
                self.events.append((now, what, socket.inet_ntoa(data[at + 4:at + 8])))
            at += (max(length, 4) + 3) & ~3

    def of(self, address, what=None):
        return [e for e in list(self.events) if e[2] == address and what in (None, e[1])]

    def close(self):
        self._stop = True
        self._thread.join()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
