# SPDX-License-Identifier: Apache-2.0
"""The two-nginx pair: active and standby, one VIP, and a script that asks whether nginx runs.

Each node has process ids, /run/vipd and a bpffs of its own, as two machines would: `pidof nginx` of
one must not find the nginx of the other, and both run from configurations that know nothing of
sharing a host. These are tests/compat/seed/master.conf and slave.conf; where they contradict each
other they are made to agree, and what was changed is shown.
"""
import argparse
import difflib
import os
import re
import sys
import time

import common
from common import say, title
from vipdlab import lab as laboratory
from vipdlab import netns
from vipdlab.lab import Lab, build_path
from vipdlab.netns import LabError, wait_for
from vipdlab.web import Nginx

VIP = "172.20.128.4"
CLIENT = "172.20.128.1/24"
MACHINES = {"master": "172.20.128.2", "slave": "172.20.128.3"}
SEED = os.path.join(laboratory.ROOT, "tests/compat/seed")

# The first process of a machine: it only buries the others. Its end is the end of them all.
INIT = ("import signal,sys\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('up', flush=True)\n"
        "while True: signal.pause()\n")


class Machine:
    """A node with processes, /run/vipd and bpffs of its own."""

    def __init__(self, lab, role):
        self.node = lab.node(role, f"{MACHINES[role]}/24")
        script = ("mount -t tmpfs none /run/vipd && mount -t bpf none /sys/fs/bpf"
                  " && exec /usr/bin/python3 -c \"$1\"")
        os.makedirs(laboratory.RUNTIME, exist_ok=True)
        self.outer = self.node.start(f"init-{role}", [
            "unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc",
            "--propagation", "private", "sh", "-c", script, "init", INIT])
        wait_for(lambda: "up" in self.outer.log(), 5, lambda: f"{role}:\n{self.outer.tail()}")
        self.init = self.outer.family()[1]
        self.prefix = ["nsenter", "-t", str(self.init), "--pid", "--mount", "--net"]
        self.nginx = Nginx(self.node, prefix=self.prefix)
        self.vipd = None

    def start_vipd(self, text):
        path = self.node.write("keepalived.conf", text)
        self.vipd = self.node.lab.start(
            f"vipd-{self.node.role}", self.prefix + [build_path("bin/vipd"), "-n", "-l", "-f", path])

    def stop_nginx(self):
        # The process we started is nsenter's; nginx has noted its own id, as the machine counts.
        with open(f"{self.node.folder()}/nginx.pid", encoding="ascii") as file:
            netns.run(self.prefix + ["kill", "-TERM", file.read().strip()])
        self.nginx.process.wait()

    def has_vip(self):
        return self.node.has(VIP)


def reconciled():
    """The two configurations, made to agree: the standby takes the master's password."""
    texts = {}
    for role in MACHINES:
        with open(os.path.join(SEED, f"{role}.conf"), encoding="utf-8") as file:
            texts[role] = file.read()
    password = re.search(r"auth_pass\s+(\S+)", texts["master"]).group(1)
    agreed = re.sub(r"(auth_pass\s+)\S+", lambda m: m.group(1) + password, texts["slave"])
    title("Changed, so that the two agree:")
    sys.stdout.writelines("  " + line.rstrip() + "\n" for line in difflib.unified_diff(
        texts["slave"].splitlines(), agreed.splitlines(), "slave.conf as it is",
        "slave.conf as used", n=1, lineterm=""))
    return {"master": texts["master"], "slave": agreed}


class Pair:
    def __init__(self, lab):
        self.lab = lab
        self.missed = []
        self.client = lab.node("client", CLIENT)
        texts = reconciled()
        title("Two machines, nginx on each")
        self.machines = {role: Machine(lab, role) for role in MACHINES}
        for role, machine in self.machines.items():
            machine.nginx.start()
            machine.start_vipd(texts[role])
            say(f"{role} {MACHINES[role]}: nginx and vipd run")

    def who_answers(self):
        done = self.client.cmd(["curl", "-s", "-m", "0.5", "-w", "", f"http://{VIP}/"], check=False)
        return done.stdout.strip()

    def wait_for_move(self, to, what, begun, timeout=30):
        """Waits until `to` alone has the VIP and answers; says when each was true."""
        other = next(m for m in self.machines.values() if m is not to)

        def log_tails():
            return f"{what}\n" + "\n".join(m.vipd.tail() for m in self.machines.values())

        wait_for(lambda: to.has_vip() and not other.has_vip(), timeout, log_tails, interval=0.005)
        moved = round((time.monotonic() - begun) * 1000)
        wait_for(lambda: self.who_answers() == to.nginx.name, timeout, log_tails, interval=0.005)
        answered = round((time.monotonic() - begun) * 1000)
        say(f"{what}: {to.node.role} has {VIP} after {moved} ms;"
            f" curl http://{VIP}/ answered by '{self.who_answers()}' after {answered} ms")
        return [what, to.node.role, moved, answered]

    def run(self):
        master, slave = self.machines["master"], self.machines["slave"]
        rows = [self.wait_for_move(master, "both started", time.monotonic())]
        begun = time.monotonic()
        master.stop_nginx()
        rows.append(self.wait_for_move(slave, "nginx of master stopped", begun))
        begun = time.monotonic()
        master.nginx.start()
        rows.append(self.wait_for_move(master, "nginx of master started", begun))
        title("")
        common.table(["event", "VIP at", "moved ms", "answered ms"], rows)
        print("\npidof nginx runs each 2 s; the election is VRRPv2 with one advert a second.")

    def how_to_look(self):
        print(f"""
The lab is still up (namespaces: ip netns). Look inside, as root:
  nsenter --net=/run/netns/{self.client.ns} curl -i http://{VIP}/""")
        for role, machine in self.machines.items():
            words = " ".join(machine.prefix)
            print(f"  {words} {os.path.relpath(build_path('bin/vipctl'))} status    # {role}")
        print(f"Configuration and logs: {self.lab.folder}\nTake it away: tools/demo --clean")


def main():
    parser = argparse.ArgumentParser(prog="tools/demo nginx-pair",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    parser.add_argument("--clean", action="store_true", help="only take away a lab that was kept")
    options = parser.parse_args()
    lock = common.only_one()
    laboratory.interruptible()
    laboratory.clean(common.KIND, dead_only=False)
    if options.clean:
        return 0
    with Lab(common.KIND) as lab:
        try:
            pair = Pair(lab)
            pair.run()
            if options.keep:
                lab.leave_up()
                pair.how_to_look()
        except LabError as error:
            common.show_logs(lab)
            print(f"\nThe demo failed: {error}", file=sys.stderr)
            return 1
    os.close(lock)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        sys.exit(f"The demo failed: {error}")
    except KeyboardInterrupt:
        print("\ninterrupted; everything is taken away again", file=sys.stderr)
        sys.exit(130)
