# SPDX-License-Identifier: Apache-2.0
"""Adverts that nobody should believe, by the hundred thousand: frames for vipd-flood, and running it."""
import subprocess

from scapy.all import IP, Ether
from scapy.layers.vrrp import VRRPv3

from .lab import build_path
from .netns import LabError, enter

SOURCES = 1024


def strangers(count=SOURCES):
    return [f"10.77.{1 + number // 250}.{1 + number % 250}" for number in range(count)]


def advert(source, vip, *, to="224.0.0.18", mac="01:00:5e:00:00:12", **fields):
    values = {"vrid": 51, "priority": 254, "ipcount": 1, "adv": 10, "addrlist": [vip]}
    values.update(fields)
    return (Ether(src="02:00:00:00:00:66", dst=mac)
            / IP(src=source, dst=to, ttl=255, proto=112, tos=0xC0) / VRRPv3(**values))


class Flood:
    """Runs from its making on; `frames` are sent in turn."""

    def __init__(self, node, frames, per_second=100_000, seconds=4):
        self.seconds = seconds
        self.process = node.lab.start(
            "flood", enter(node.ns) + [build_path("bin/vipd-flood"), "eth0", str(per_second),
                                       str(seconds)], stdin=subprocess.PIPE)
        self.process.popen.stdin.write("".join(bytes(f).hex() + "\n" for f in frames).encode())
        self.process.popen.stdin.close()

    def wait(self):
        """(frames sent, seconds that it took)"""
        if self.process.wait(self.seconds + 30) != 0:
            raise LabError(self.process.tail())
        sent, took = self.process.log().split()
        return int(sent), float(took)
