# SPDX-License-Identifier: Apache-2.0
"""How late a master's adverts are, 100 a second, while somebody on the link sends 100,000 others: vipd and
Debian's keepalived, one after the other. Seen at the backup's cable, behind a filter in the kernel.

    flood.py [--json FILE] [--seconds N] [--per-second N]"""
import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))

from vipdlab.daemon import AddressWatch, Keepalived, Vipd  # noqa: E402
from vipdlab.flood import Flood, advert, strangers  # noqa: E402
from vipdlab.lab import Lab, interruptible  # noqa: E402
from vipdlab.scenes import VIP, VrrpPair  # noqa: E402
from vipdlab.wire import Sniffer  # noqa: E402

from scapy.all import IP  # noqa: E402

ADVERT_MS = 10
KINDS = {
    "quiet": None,
    "other VRIDs": lambda: [advert(source, VIP, vrid=1 + number % 50)
                            for number, source in enumerate(strangers())],
    "wrong checksum": lambda: [advert(source, VIP, chksum=0x1234) for source in strangers()],
}


def once(program, kind, options):
    with Lab("bench") as lab:
        pair = VrrpPair(lab, (program, program), advert_int=ADVERT_MS / 1000)
        pair.wait_master(pair.d1, 20)
        intruder = lab.node("intruder", "10.77.0.66/24")
        time.sleep(6.0)  # past the second burst of gratuitous ARP
        frames = KINDS[kind]() if KINDS[kind] else []
        with AddressWatch(pair.d2.node.ns) as moved, \
                Sniffer(pair.d2.node.ns, lambda p: IP in p and p[IP].proto == 112,
                        source=pair.d1.node.mac) as ours:
            begin = time.monotonic()
            flood = Flood(intruder, frames, options.per_second, options.seconds) if frames else None
            time.sleep(0 if flood else options.seconds)
            sent = flood.wait()[0] if flood else 0
            took = time.monotonic() - begin
            times = [p.time for p in ours.packets]
        late = sorted(1000 * (b - a) - ADVERT_MS for a, b in zip(times, times[1:]))
        return {"flood_per_s": round(sent / took), "adverts_per_s": round(len(times) / took, 1),
                "late_ms_median": round(late[len(late) // 2], 2),
                "late_ms_p99": round(late[len(late) * 99 // 100], 2),
                "late_ms_max": round(late[-1], 2), "takeovers": len(moved.of(VIP, "add"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--per-second", type=int, default=100_000)
    options = parser.parse_args()
    interruptible()
    result = {}
    for kind in KINDS:
        for program in (Vipd, Keepalived):
            one = once(program, kind, options)
            result.setdefault(kind, {})[program.program] = one
            print(f"{kind:15} {program.program:11} "
                  + ", ".join(f"{name} {value}" for name, value in one.items()), flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


main()
