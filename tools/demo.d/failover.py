# SPDX-License-Identifier: Apache-2.0
"""The demo: two directors, three web servers, a thousand downloads, four things that go wrong.

      client ---+          +--- d1 (vipd, MASTER)        The client talks to the VIP. A director
                |  switch  +--- d2 (vipd, BACKUP)        forwards to a server in XDP; the server
                +----------+--- r1, r2, r3 (nginx)       answers the client directly.
"""
import argparse
import json
import os
import secrets
import sys
import time

import common
from common import say, title
from vipdlab import config, lab as laboratory
from vipdlab.daemon import Vipd
from vipdlab.lab import Lab
from vipdlab.load import Load
from vipdlab.netns import LabError, wait_for
from vipdlab.web import Nginx, decapsulate, take_vip

VIP = "10.77.0.100"
CLIENT = "10.77.0.10"
DIRECTORS = {"d1": ("10.77.0.11", 150), "d2": ("10.77.0.12", 100)}
INSTANCES = {role: f"{common.KIND}-{role}" for role in DIRECTORS}  # pins and sockets of our own
REALS = {"r1": "10.77.0.21", "r2": "10.77.0.22", "r3": "10.77.0.23"}
REQUESTS_PER_SECOND = 50
SILENT = 3.0  # seconds without a byte after which a download counts as broken


class Step:
    """A row of the table: what became of the connections from begin to end."""

    def __init__(self, demo, name, may_break=()):
        self.demo, self.name, self.may_break = demo, name, may_break

    def __enter__(self):
        title(f"({len(self.demo.rows) + 1}) {self.name}")
        self.demo.load.begin_step()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.demo.end_step(self)


class Demo:
    def __init__(self, lab, options):
        self.lab = lab
        self.options = options
        self.rows = []
        self.missed = []

    # --- building ------------------------------------------------------------------------------

    def build(self):
        lab = self.lab
        self.client = lab.node("client", f"{CLIENT}/24")
        key = os.path.join(lab.folder, "sync.key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        self.web = {}
        for role, address in REALS.items():
            node = lab.node(role, f"{address}/24")
            take_vip(node, VIP)
            if self.options.tun:
                decapsulate(node)
            self.web[role] = Nginx(node).start()
        say("three nginx: " + ", ".join(f"{r} {a}" for r, a in REALS.items()))
        self.directors = {}
        for role, (address, priority) in DIRECTORS.items():
            node = lab.node(role, f"{address}/24", xdp=True)
            peers = [a for r, (a, _) in DIRECTORS.items() if r != role]
            vipd = Vipd(node, self.director_config(role, priority, peers, key),
                        instance=INSTANCES[role])
            self.directors[role] = vipd.start()
            say(f"{role} {address}: vipd, priority {priority}, {vipd.config_path}")
        self.d1, self.d2 = self.directors.values()
        self.wait_master(self.d1, self.d2)
        for vipd in self.directors.values():
            for address in REALS.values():
                vipd.wait_real(address, True)
            vipd.wait_synced()
        say(f"d1 is MASTER and has {VIP}; d2 is BACKUP; both see three servers up and are in sync")

    def director_config(self, role, priority, peers, key):
        return (config.global_defs(role)
                + config.vrrp_instance("VI_1", priority=priority, version=3, advert_int=0.1,
                                       vips=[f"{VIP}/32 dev eth0"])
                # Not mh: that would send a connection to the same server without knowing it.
                + config.virtual_server(VIP, 80, list(REALS.values()), algo="rr",
                                        kind="TUN" if self.options.tun else "DR",
                                        check=config.HTTP_GET)
                + config.vipd(peers=peers, key_file=key))

    def wait_master(self, master, backup, timeout=20):
        start = time.monotonic()
        wait_for(lambda: master.state() == "MASTER" and master.has(VIP), timeout,
                 lambda: f"{master.node.role} is MASTER:\n{master.process.tail()}")
        took = time.monotonic() - start
        if backup is not None:
            backup.wait_state("BACKUP", timeout)
            backup.wait_no_vip(VIP)
        return took

    def fill(self):
        """Opens downloads until as many as wanted are open."""
        wanted = self.options.connections
        report = self.load.open(wanted, progress=lambda r: say(
            f"{r['open']} downloads open: " + self.spread(r["by_server"])))
        say(f"{report['open']} downloads run: " + self.spread(report["by_server"]))
        for vipd in self.directors.values():
            wait_for(lambda vipd=vipd: self.known(vipd) >= wanted, 15,
                     lambda vipd=vipd: f"{wanted} connections known to {vipd.node.role} "
                                       f"(has {self.known(vipd)})", interval=0.2)
        say("both directors know them all (vipctl flows)")

    @staticmethod
    def known(vipd):
        return len(vipd.flows("state=ESTABLISHED"))

    @staticmethod
    def spread(counts):
        return ", ".join(f"{server} {count}" for server, count in sorted(counts.items()))

    # --- steps ---------------------------------------------------------------------------------

    def end_step(self, step):
        report = self.load.settle()
        broken = dict(report["broken"])
        for server, count in self.load.silent(SILENT).items():
            broken[server] = broken.get(server, 0) + count
            report["reasons"]["silent"] = report["reasons"].get("silent", 0) + count
        unexpected = sum(n for server, n in broken.items() if server not in step.may_break)
        failed = sum(report["requests_failed"].values())
        self.rows.append({"name": step.name, "open": report["open_at_start"],
                          "broken": sum(broken.values()), "broken_unexpected": unexpected,
                          "failed_requests": failed,
                          "longest_gap_ms": max(report["download_gap_ms"],
                                                report["request_gap_ms"])})
        say(f"{report['open_at_start']} downloads were open, {sum(broken.values())} broke"
            + (f" ({self.spread(broken)}; {self.spread(report['reasons'])})" if broken else "")
            + f"; of {failed + sum(report['requests_ok'].values())} requests {failed} failed"
            + (f" ({self.spread(report['requests_failed'])})" if failed else ""))
        say(f"longest silence: downloads {report['download_gap_ms']} ms (a byte comes each 100 ms),"
            f" between two requests answered {report['request_gap_ms']} ms (one each 20 ms)")
        if unexpected:
            self.missed.append(f"{step.name}: {unexpected} connections broke that should not")
        if report["open_at_start"] < self.options.connections:
            self.missed.append(f"{step.name}: only {report['open_at_start']} downloads were open")
        if not calm(report):
            self.missed.append(f"{step.name}: requests still fail at its end")

    def run(self):
        self.load = Load(self.client, VIP)
        self.load.requests(REQUESTS_PER_SECOND)
        title(f"{self.options.connections} downloads and {REQUESTS_PER_SECOND} requests a second "
              f"through {VIP}")
        self.fill()
        self.load.begin_step()
        report = self.load.settle()
        say(f"undisturbed, the longest silence is {report['download_gap_ms']} ms in a download, "
            f"{report['request_gap_ms']} ms between two requests answered; requests went to "
            + self.spread(report["requests_ok"]))
        self.stop_real("r2")
        self.fill()
        self.hand_over()
        self.kill_master()
        self.bring_back()

    def stop_real(self, role):
        with Step(self, f"stop real server {role}", may_break=[role]):
            address = REALS[role]
            start = time.monotonic()
            self.web[role].kill()
            say(f"nginx of {role} killed")
            for vipd in self.directors.values():
                vipd.wait_real(address, False)
            say(f"both directors have taken it out after {since(start)} ms")
            before = self.load.report()["requests_ok"]
            report = self.load.settle()
            answered = {server: count - before.get(server, 0)
                        for server, count in report["requests_ok"].items()
                        if count > before.get(server, 0)}
            if calm(report):
                say(f"all requests are answered again, by {self.spread(answered)}")
            else:
                say(f"requests still fail: {self.spread(report['requests_failed'])}")
                self.missed.append(f"stop real server {role}: requests went on failing after it "
                                   "was taken out")
            self.web[role].start()
            start = time.monotonic()
            for vipd in self.directors.values():
                vipd.wait_real(address, True)
            say(f"nginx of {role} started again, back in service after {since(start)} ms")

    def hand_over(self):
        with Step(self, "graceful handover"):
            for giver, taker in ((self.d1, self.d2), (self.d2, self.d1)):
                start = time.monotonic()
                giver.vipctl("handover")
                self.wait_master(taker, giver)
                say(f"vipctl handover: {giver.node.role} has given {VIP} to {taker.node.role} "
                    f"within {since(start)} ms")
                self.load.settle()
            say("there and back again")

    def kill_master(self):
        with Step(self, "kill the master"):
            start = time.monotonic()
            pids = self.d1.process.family()
            self.d1.kill()
            self.d1.node.link(up=False)
            say(f"SIGKILL to {len(pids)} processes of d1, then its cable pulled")
            wait_for(lambda: self.d2.has(VIP), 15, lambda: f"{VIP} on d2", interval=0.005)
            say(f"d2 has {VIP} after {since(start)} ms")
            self.d2.wait_state("MASTER")

    def bring_back(self):
        with Step(self, "bring it back"):
            self.d1.node.link(up=True)
            self.d1.start()
            say("d1: cable in, vipd started")
            start = time.monotonic()
            self.d1.wait_synced(30)
            flows = self.known(self.d1)
            say(f"d1 has learned {flows} connections from d2 ({since(start)} ms)")
            self.wait_master(self.d1, self.d2, 30)
            say(f"d1 is MASTER again after {since(start)} ms")

    # --- the end -------------------------------------------------------------------------------

    def show_table(self):
        title("")
        header = ["step", "open", "broken", "unexpected", "requests failed", "longest gap ms"]
        common.table(header, [[f"({number}) {row['name']}", *list(row.values())[1:]]
                              for number, row in enumerate(self.rows, 1)])

    def write_json(self):
        """The rows so far: also a demo that fails has a table for programs."""
        if self.options.json:
            with open(self.options.json, "w", encoding="utf-8") as file:
                json.dump({"steps": self.rows}, file, indent=1)
                file.write("\n")

    def finish(self):
        self.show_table()
        for text in self.missed:
            print(f"NOT AS PROMISED: {text}")
        if not self.missed:
            print("\nNo established connection was lost but those of the server that was stopped.")
        return 1 if self.missed else 0

    def how_to_look(self):
        vipctl = os.path.relpath(os.path.join(laboratory.BUILD, "bin/vipctl"))
        one, two = INSTANCES.values()
        client = f"nsenter --net=/run/netns/{self.client.ns}"
        print(f"""
The lab is still up (namespaces: ip netns). Look inside, as root:
  {vipctl} --instance {one} status    and --instance {two}; --json for programs
  {vipctl} --instance {one} flows
  ls {self.d1.pins}
  bpftool map dump pinned {self.d1.pins}/vipd_services
  {client} curl -i http://{VIP}/
  curl --unix-socket {self.d1.socket} http://vipd/metrics
  {vipctl} --instance {one} handover
Configuration and logs: {self.lab.folder}
Take it away: tools/demo --clean""")


def since(start):
    return round((time.monotonic() - start) * 1000)


def calm(report):
    return report["since_failure_ms"] is None or report["since_failure_ms"] > 1000


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--tun", action="store_true", help="IPIP tunnels instead of direct routing")
    parser.add_argument("--connections", type=int, default=1000, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write the table for programs")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    parser.add_argument("--clean", action="store_true", help="only take away a lab that was kept")
    options = parser.parse_args()
    lock = common.only_one()
    laboratory.interruptible()
    left = laboratory.clean(common.KIND, instances=INSTANCES.values(), dead_only=False)
    if left:
        say(f"removed what an earlier demo left: {', '.join(left)}")
    if options.clean:
        return 0
    title(f"Two directors (vipd), three servers (nginx), a client; "
          f"{'IPIP tunnels' if options.tun else 'direct routing'}.")
    with Lab(common.KIND) as lab:
        demo = Demo(lab, options)
        try:
            demo.build()
            demo.run()
            result = demo.finish()
            if options.keep:
                for process in lab.processes:
                    if process.name == "load":
                        process.stop()
                lab.leave_up()
                demo.how_to_look()
        except LabError as error:
            common.show_logs(lab)
            if demo.rows:
                demo.show_table()
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
        finally:
            demo.write_json()
    os.close(lock)
    return result


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"The demo failed: {error}")
    except KeyboardInterrupt:
        print("\ninterrupted; everything is taken away again", file=sys.stderr)
        sys.exit(130)
