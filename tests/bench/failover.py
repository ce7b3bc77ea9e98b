# SPDX-License-Identifier: Apache-2.0
"""What VRRP costs and how fast it is: vipd and Debian's keepalived, the same two nodes, the same
configuration, one after the other.

Failover: a client sends a numbered datagram each millisecond to an echo that both nodes run; the gap is
the longest time without an answer. Holders: who answers ARP for the VIP after all processes of the master
were killed, the cable plugged. CPU: of one core, all processes of a master of 255 instances.

    failover.py [--json FILE] [--rounds N] [--bfd-rounds N] [--only NAME,...]"""
import argparse
import json
import os
import signal
import socket
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))

from vipdlab import config  # noqa: E402
from vipdlab.daemon import Keepalived, Vipd  # noqa: E402
from vipdlab.lab import Lab, interruptible  # noqa: E402
from vipdlab.netns import wait_for  # noqa: E402
from vipdlab.scenes import DIRECTORS, VIP, VrrpPair  # noqa: E402
from vipdlab.wire import Sniffer, send  # noqa: E402

from scapy.all import ARP, Ether  # noqa: E402

PORT = 7777
ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: answer from the address that was asked
s.bind(("", %d))
while True:
    data, control, _, client = s.recvmsg(64, 64)
    try:
        s.sendmsg([data], control, 0, client)
    except OSError:
        pass  # the address has gone meanwhile
""" % PORT


class Stream:
    """Numbered datagrams and the times of their answers."""

    def __init__(self, node):
        with node.inside():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)
        self.answers = []
        self.stop = False
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.send, self.hear)]
        for thread in self.threads:
            thread.start()

    def send(self):
        number = 0
        while not self.stop:
            number += 1
            try:
                self.socket.sendto(number.to_bytes(8, "big"), (VIP, PORT))
            except OSError:
                pass  # no neighbour for a moment
            time.sleep(0.001)

    def hear(self):
        while not self.stop:
            try:
                self.socket.recv(64)
            except OSError:
                continue
            self.answers.append(time.monotonic())

    def gap(self, since):
        """The longest silence from `since` on, in ms."""
        times = [since] + [t for t in self.answers if t >= since]
        return max(b - a for a, b in zip(times, times[1:])) * 1000 if len(times) > 1 else None

    def close(self):
        self.stop = True
        for thread in self.threads:
            thread.join()
        self.socket.close()


def kill(daemon):
    daemon.node.link(up=False)
    daemon.kill()


def graceful(daemon):
    daemon.process.signal(signal.SIGTERM)


def handover(daemon):
    daemon.vipctl("handover", "--wait", "0", check=False)


BFD = ("bfd_instance peer {{\n    neighbor_ip {there}\n    source_ip {here}\n    min_rx 1\n    min_tx 1\n"
       "    multiplier 5\n}}\n")


def with_bfd(pair):
    """d2 keeps out as long as it sees d1 by BFD, and is master at once when it does not: the owner's
    priority waits for no advert."""
    here, there = (DIRECTORS[role][0] for role in ("d1", "d2"))
    pair.d1.write(BFD.format(here=here, there=there)
                  + pair.text("d1", lines=("track_bfd {", "    peer weight 1", "}")))
    pair.d2.write(BFD.format(here=there, there=here) + pair.text("d2", priority=255, lines=(
        "track_bfd {", "    peer weight 0 reverse", "}")))


#: name: what happens, seconds between adverts, a change to the configuration
SCENES = {"crash, adverts 1 s": (kill, 1, None), "crash, adverts 10 ms": (kill, 0.01, None),
          "crash, BFD 1 ms x 5": (kill, 1, with_bfd), "stop, adverts 1 s": (graceful, 1, None),
          "handover, adverts 1 s": (handover, 1, None)}


def wait_first(stream):
    end = time.monotonic() + 20
    while not stream.answers and time.monotonic() < end:
        time.sleep(0.05)


def once(program, scene, phase):
    """`phase`: how far into an advert's interval it happens, beside where the start has put it."""
    event, advert_int, change = SCENES[scene]
    with Lab("bench") as lab:
        pair = VrrpPair(lab, (program, program), advert_int=advert_int, start=False)
        if change:
            change(pair)
        client = lab.node("client", "10.77.0.10/24")
        for daemon in pair.daemons:
            daemon.node.start(f"echo-{daemon.node.role}", ["/usr/bin/python3", "-c", ECHO])
            daemon.start()
        pair.wait_master(pair.d1, 20)
        stream = Stream(client)
        try:
            wait_first(stream)
            time.sleep(phase * advert_int)
            begin = time.monotonic()
            event(pair.d1)
            pair.d2.wait_vip(VIP)
            time.sleep(1.0)  # what is measured is over when answers come again for a while
            gap = stream.gap(begin)
            if gap is None:  # nobody answered any more: why?
                print(f"{scene}, {program.program}: no answer after it; {len(stream.answers)} before",
                      *(daemon.process.tail(25) for daemon in pair.daemons), sep="\n", file=sys.stderr)
            return gap
        finally:
            stream.close()


def answering(client):
    """The MACs that answer one ARP request for the VIP."""
    question = bytes(Ether(src=client.mac, dst="ff:ff:ff:ff:ff:ff")
                     / ARP(op=1, hwsrc=client.mac, psrc=client.address, pdst=VIP))
    with Sniffer(client.ns, lambda p: ARP in p and p[ARP].op == 2 and p[ARP].psrc == VIP) as seen:
        for _ in range(3):
            send(client.ns, question)
            time.sleep(0.3)
        return {p[ARP].hwsrc for p in seen.matching()}


def holders(program):
    """(who answers ARP for the VIP, who has it on an interface) 5 s after a SIGKILL to all of d1."""
    with Lab("bench") as lab:
        pair = VrrpPair(lab, (program, program), advert_int=1, start=False)
        client = lab.node("client", "10.77.0.10/24")
        for role, daemon in zip(DIRECTORS, pair.daemons):
            if program is Vipd:  # with something to forward, so that its XDP program is there
                daemon.write(pair.text(role) + config.virtual_server(
                    VIP, 80, ["10.77.0.21"], check=None))
            daemon.start()
        pair.wait_master(pair.d1, 20)
        pair.d1.kill()
        pair.d2.wait_vip(VIP, 20)
        time.sleep(5.0)
        return len(answering(client)), sum(daemon.has(VIP) for daemon in pair.daemons)


def ticks(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total


def cpu(program, advert_int, seconds=10, instances=255):
    """Per cent of a core, and the adverts a second that were on the wire."""
    with Lab("bench") as lab:
        node = lab.node("d1", "10.77.0.11/24")
        text = config.global_defs("d1") + "".join(
            config.vrrp_instance(f"V{vrid}", vrid=vrid, version=3, advert_int=advert_int,
                                 vips=[f"10.78.0.{vrid}/32 dev eth0"])
            for vrid in range(1, instances + 1))
        daemon = program(node, text)
        daemon.start()
        wait_for(lambda: len(node.addresses()) >= instances + 1, 60, "all instances to be master")
        time.sleep(8.0)  # past the second burst of gratuitous ARP

        def packets():
            with node.inside(), open("/proc/self/net/dev", encoding="ascii") as text:
                line = next(line for line in text if line.strip().startswith("eth0:"))
            return int(line.split(":")[1].split()[9])

        pids = daemon.process.family()
        begin, before, sent = time.monotonic(), ticks(pids), packets()
        time.sleep(seconds)
        took = time.monotonic() - begin
        used = (ticks(pids) - before) / os.sysconf("SC_CLK_TCK")
        return round(100 * used / took, 2), round((packets() - sent) / took)


def measure_gaps(options, result):
    for scene in SCENES:
        if options.only and scene.split(",")[0] not in options.only and (
                "BFD" not in scene or "bfd" not in options.only):
            continue
        rounds = options.bfd_rounds if "BFD" in scene else options.rounds
        for program in (Vipd, Keepalived):
            if scene.startswith("handover") and program is Keepalived:
                continue  # it has no such thing
            gaps = [once(program, scene, number / rounds) for number in range(rounds)]
            gaps = [round(gap, 1) for gap in gaps if gap is not None]
            result["gap_ms"].setdefault(scene, {})[program.program] = gaps
            median = statistics.median(gaps) if gaps else float("nan")
            print(f"{scene:22} {program.program:11} {median:8.1f} ms (median of {sorted(gaps)}, "
                  f"{rounds - len(gaps)} without an answer)", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bfd-rounds", type=int, default=20)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[],
                        help="crash, bfd, stop, handover, holders, cpu")
    options = parser.parse_args()
    interruptible()
    result = {"rounds": options.rounds, "bfd_rounds": options.bfd_rounds, "gap_ms": {},
              "holders": {}, "cpu_percent": {}}
    measure_gaps(options, result)
    for program in (Vipd, Keepalived):
        if not options.only or "holders" in options.only:
            answer, have = holders(program)
            result["holders"][program.program] = {"answer": answer, "have": have}
            print(f"{'killed, not unplugged':22} {program.program:11} {answer} answer for the VIP, "
                  f"{have} have it on an interface", flush=True)
    for advert_int in (1, 0.01):
        for program in (Vipd, Keepalived):
            if options.only and "cpu" not in options.only:
                continue
            used, rate = cpu(program, advert_int)
            result["cpu_percent"].setdefault(f"{advert_int:g} s", {})[program.program] = used
            print(f"{f'255 instances, {advert_int:g} s':22} {program.program:11} {used:8.2f} % of a core "
                  f"({rate} packets a second)", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


main()
