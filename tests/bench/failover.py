# SPDX-License-Identifier: Apache-2.0
"""How long a client hears nothing from a VIP while it moves: vipd and Debian's keepalived, the same two
nodes, the same configuration, one after the other. A client sends a numbered datagram each millisecond to
an echo that both nodes run; the gap is the longest time without an answer.

    failover.py [--json FILE] [--rounds N] [--advert-int SECONDS]"""
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

from vipdlab.daemon import Keepalived, Vipd  # noqa: E402
from vipdlab.lab import Lab, interruptible  # noqa: E402
from vipdlab.scenes import VIP, VrrpPair  # noqa: E402

PORT = 7777
ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: answer from the address that was asked
s.bind(("", %d))
while True:
    data, control, _, client = s.recvmsg(64, 64)
    s.sendmsg([data], control, 0, client)
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


EVENTS = {"kill": kill, "stop": graceful, "handover": handover}


def once(program, event, advert_int):
    with Lab("bench") as lab:
        pair = VrrpPair(lab, (program, program), advert_int=advert_int)
        client = lab.node("client", "10.77.0.10/24")
        for daemon in pair.daemons:
            daemon.node.start(f"echo-{daemon.node.role}", ["/usr/bin/python3", "-c", ECHO])
        pair.wait_master(pair.d1)
        stream = Stream(client)
        try:
            end = time.monotonic() + 10
            while not stream.answers and time.monotonic() < end:
                time.sleep(0.05)
            begin = time.monotonic()
            EVENTS[event](pair.d1)
            pair.d2.wait_vip(VIP)
            time.sleep(1.0)  # what is measured is over when answers come again for a while
            return stream.gap(begin)
        finally:
            stream.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--advert-int", type=float, default=0.1)
    options = parser.parse_args()
    interruptible()
    result = {"advert_int_s": options.advert_int, "rounds": options.rounds, "gap_ms": {}}
    for event in EVENTS:
        for program in (Vipd, Keepalived):
            if event == "handover" and program is Keepalived:
                continue  # it has no such thing
            gaps = [once(program, event, options.advert_int) for _ in range(options.rounds)]
            gaps = [round(gap, 1) for gap in gaps if gap is not None]
            result["gap_ms"].setdefault(event, {})[program.program] = gaps
            median = statistics.median(gaps) if gaps else float("nan")
            print(f"{event:10} {program.program:11} {median:8.1f} ms (median of {gaps})", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


main()
