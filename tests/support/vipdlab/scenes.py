# SPDX-License-Identifier: Apache-2.0
"""The two set-ups that most scenarios start from."""
import os
import secrets
import time

from . import config
from .daemon import AddressWatch, Keepalived, Vipd
from .netns import wait_for
from .web import Nginx, decapsulate, take_vip

VIP = "10.77.0.100"
CLIENT = "10.77.0.10"
DIRECTORS = {"d1": ("10.77.0.11", 150), "d2": ("10.77.0.12", 100)}
REALS = {"r1": "10.77.0.21", "r2": "10.77.0.22", "r3": "10.77.0.23"}


class VrrpPair:
    """Two nodes that elect; `programs` are the daemons of d1 (priority 150) and d2 (100)."""

    def __init__(self, lab, programs=(Vipd, Vipd), *, unicast=False, auth=(None, None),
                 advert_int=None, version=3, start=True, lines=()):
        self.lab = lab
        self.version = version
        self.unicast = unicast
        self.advert_int = advert_int or (1 if version == 2 else 0.1)
        self.lines = lines
        self.daemons = []
        for (role, (address, _)), program, password in zip(DIRECTORS.items(), programs, auth):
            node = lab.node(role, f"{address}/24")
            self.daemons.append(program(node, self.text(role, auth_pass=password)))
        self.d1, self.d2 = self.daemons
        if start:
            for daemon in self.daemons:
                daemon.start()

    def text(self, role, **changes):
        address, priority = DIRECTORS[role]
        peers = [a for r, (a, _) in DIRECTORS.items() if r != role]
        settings = {"priority": priority, "version": self.version, "vips": [f"{VIP}/32 dev eth0"],
                    "advert_int": self.advert_int, "lines": self.lines,
                    "unicast": (address, peers) if self.unicast else None}
        settings.update(changes)
        return config.global_defs(role) + config.vrrp_instance(**settings)

    @property
    def down_interval(self):
        """Seconds until a backup of priority 100 takes over, by the RFC."""
        skew = (256 - 100) / 256 * (1 if self.version == 2 else self.advert_int)
        return 3 * self.advert_int + skew

    def wait_master(self, master, timeout=None):
        """Waits until this one alone has the VIP."""
        other = self.d2 if master is self.d1 else self.d1
        timeout = timeout or self.down_interval * 3 + 5
        took = master.wait_vip(VIP, timeout)
        if other.running():
            other.wait_no_vip(VIP, timeout)
        # What vipctl tells of it is a second old at most; counters are to be compared from here on.
        if isinstance(master, Vipd):
            master.wait_state("MASTER")
            wait_for(lambda: master.counter("become_master") >= 1, 5, "the count of it")
        return took

    def stop_master(self):
        """Stops d1 and waits for d2; returns the seconds between d1's giving up the VIP and d2's
        taking it, as netlink saw them."""
        with AddressWatch(self.d1.node.ns) as gone, AddressWatch(self.d2.node.ns) as come:
            self.d1.stop()
            self.wait_master(self.d2)
            events = wait_for(lambda: (gone.of(VIP, "del") and come.of(VIP, "add")
                                       and (gone.of(VIP, "del")[-1], come.of(VIP, "add")[0])),
                              2, "both address events")
        return events[1][0] - events[0][0]

    def kill_master(self):
        """Cuts d1 off, kills it and waits for d2; returns the seconds until d2 has the VIP."""
        start = time.monotonic()
        self.d1.node.link(up=False)
        self.d1.kill()
        self.d2.wait_vip(VIP, 5)
        return time.monotonic() - start

    def masters(self):
        return [d.node.role for d in self.daemons if d.has(VIP)]


class Balancer:
    """A client, one or two directors and nginx servers behind the VIP. Its rr needs the knowledge of
    a connection, where mh by ports would send it to the same server without."""

    def __init__(self, lab, kind="DR", directors=("d1", "d2"), reals=("r1", "r2"), algo="rr",
                 lines=(), vrrp=True, check=config.HTTP_GET, nginx=True, start=True,
                 vipd_lines=(), real_port=80):
        self.lab = lab
        self.real_port = real_port  # other than 80 with NAT only
        self.kind, self.algo, self.lines, self.check = kind, algo, lines, check
        self.vrrp = vrrp
        self.vipd_lines = vipd_lines
        self.client = lab.node("client", f"{CLIENT}/24")
        self.key = os.path.join(lab.folder, "sync.key")
        with open(os.open(self.key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as key:
            key.write(secrets.token_hex(32) + "\n")
        self.reals, self.web = {}, {}
        for role in reals:
            node = lab.node(role, f"{REALS[role]}/24")
            if kind == "NAT":  # what the servers answer goes back through a director: the master
                gateway = VIP if len(directors) > 1 else DIRECTORS[directors[0]][0]
                node.ip(f"route add {CLIENT} via {gateway}")
            else:
                take_vip(node, VIP)
            if kind == "TUN":
                decapsulate(node)
            self.reals[role] = node
            if nginx:
                self.web[role] = Nginx(node, port=real_port).start()
        self.directors = {}
        for role in directors:
            node = lab.node(role, f"{DIRECTORS[role][0]}/24", xdp=True)
            if kind == "NAT":
                node.sysctl(net__ipv4__ip_forward=1)
            self.directors[role] = Vipd(node)
        for role, vipd in self.directors.items():
            vipd.write(self.text(role))
            if start:
                vipd.start()
        if start:
            self.wait_ready()

    def text(self, role, **changes):
        settings = {"algo": self.algo, "kind": self.kind, "lines": self.lines,
                    "check": self.check, "reals": [REALS[r] for r in self.reals],
                    "real_port": self.real_port}
        settings.update(changes)
        text = config.global_defs(role)
        if self.vrrp:
            text += config.vrrp_instance(priority=DIRECTORS[role][1], version=3, advert_int=0.1,
                                         vips=[f"{VIP}/32 dev eth0"])
        text += config.virtual_server(VIP, 80, **settings)
        peers = [DIRECTORS[r][0] for r in self.directors if r != role]
        return text + config.vipd(*self.vipd_lines, peers=peers, key_file=self.key)

    def wait_ready(self):
        for vipd in self.directors.values():
            for role in self.reals:
                vipd.wait_real(REALS[role], True, self.real_port)
        if self.vrrp:
            first = next(iter(self.directors.values()))
            first.wait_state("MASTER")
            first.wait_vip(VIP)
        if len(self.directors) > 1:
            for vipd in self.directors.values():
                vipd.wait_synced()

    def get(self, path="/", check=True):
        """One request from the client through the VIP: the body."""
        done = self.client.cmd(["curl", "-s", "-m", "3", f"http://{VIP}{path}"], check=check)
        return done.stdout.strip()

    def wait_answer(self, timeout=10):
        return wait_for(lambda: self.get(check=False), timeout, "an answer through the VIP")


__all__ = ["Balancer", "CLIENT", "DIRECTORS", "Keepalived", "REALS", "VIP", "Vipd", "VrrpPair"]
