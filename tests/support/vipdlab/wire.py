# SPDX-License-Identifier: Apache-2.0
"""Packets on a node's interface, read and written as scapy's. An AF_PACKET socket that is opened in
the namespace; scapy is only the dissector, so that it need not know of namespaces."""
import ctypes
import logging
import socket
import struct
import threading
import time

from . import netns
from .netns import LabError

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.all import Ether  # noqa: E402  (after the logger is quiet)

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35


def open_socket(namespace, device="eth0"):
    with netns.inside(namespace):
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    raw.bind((device, ETH_P_ALL))
    return raw


def keep_only_from(raw, mac):
    """The kernel drops for this socket what has another source MAC: for links that are flooded."""
    high, low = struct.unpack("!IH", bytes.fromhex(mac.replace(":", "")))
    program = [(0x20, 0, 0, 6), (0x15, 0, 3, high),   # ldw [6], jeq: else to the end
               (0x28, 0, 0, 10), (0x15, 0, 1, low),   # ldh [10], jeq: else to the end
               (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                   struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))


def when(ancillary):
    """The kernel's time of a packet, as CLOCK_MONOTONIC: we may come to it late."""
    now = time.monotonic()
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data)
            return now - (time.time() - seconds - nanoseconds / 1e9)
    return now


class Sniffer:
    """Records the frames that pass an interface while the block lasts.

        with Sniffer(node.ns, lambda p: TCP in p) as seen:
            ...
            packet = seen.wait(lambda p: p[TCP].flags == "S")
    """

    def __init__(self, namespace, keep=lambda packet: True, device="eth0", source=None):
        self._keep = keep
        self._socket = open_socket(namespace, device)
        if source:
            keep_only_from(self._socket, source)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.settimeout(0.1)
        self._lock = threading.Condition()
        self._stop = False
        self.packets = []  # scapy packets; .time is CLOCK_MONOTONIC (the kernel's), .outgoing tells the direction
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._stop:
            try:
                data, ancillary, _, address = self._socket.recvmsg(65536, 64)
            except TimeoutError:
                continue
            packet = Ether(data)
            packet.time = when(ancillary)
            packet.outgoing = address[2] == socket.PACKET_OUTGOING
            if self._keep(packet):
                with self._lock:
                    self.packets.append(packet)
                    self._lock.notify_all()

    def matching(self, match=lambda packet: True):
        with self._lock:
            return [p for p in self.packets if match(p)]

    def wait(self, match=lambda packet: True, timeout=5, what="a packet", count=1):
        """The first matching packet (of `count` that must have come)."""
        end = time.monotonic() + timeout
        with self._lock:
            while True:
                found = [p for p in self.packets if match(p)]
                if len(found) >= count:
                    return found[0]
                left = end - time.monotonic()
                if left <= 0:
                    seen = "\n".join("  " + p.summary() for p in self.packets[-20:])
                    raise LabError(f"{what} did not pass within {timeout:g} s; seen:\n{seen}")
                self._lock.wait(left)

    def close(self):
        self._stop = True
        self._thread.join()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def send(namespace, packet, device="eth0", count=1):
    """Puts a frame on the wire as it is."""
    with open_socket(namespace, device) as raw:
        for _ in range(count):
            raw.send(bytes(packet))
