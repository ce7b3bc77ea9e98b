# SPDX-License-Identifier: Apache-2.0
"""Whether established connections outlive their director: downloads from two nginx servers through the
VIP, with data flowing, through every outage of the master and its return, at each forwarding method.

    connections.py [--json FILE] [--connections N] [--kinds DR,TUN,NAT]"""
import argparse
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))

from vipdlab.lab import Lab, interruptible  # noqa: E402
from vipdlab.load import Load  # noqa: E402
from vipdlab.netns import wait_for  # noqa: E402
from vipdlab.outages import OUTAGES  # noqa: E402
from vipdlab.scenes import VIP, Balancer  # noqa: E402


def matrix(kind, connections):
    """One row an outage."""
    with Lab("bench") as lab:
        scene = Balancer(lab, kind=kind, real_port=8080 if kind == "NAT" else 80)
        _, standby = scene.directors.values()
        load = Load(scene.client, VIP)
        load.open(connections, timeout=60 + connections / 50)
        wait_for(lambda: standby.flow_count("state=ESTABLISHED") >= connections, 30,
                 "the connections at the standby")
        for outage in OUTAGES:
            load.begin_step()
            outage(scene)
            report = load.settle(timeout=60)
            silent = sum(load.silent(2).values())
            yield {"kind": kind, "outage": outage.__name__, "connections": connections,
                   "open": report["open"], "broken": sum(report["broken"].values()),
                   "silent": silent, "longest_gap_ms": report["download_gap_ms"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--connections", type=int, default=10000)
    parser.add_argument("--kinds", default="DR,TUN,NAT")
    options = parser.parse_args()
    interruptible()
    rows = []
    print(f"{'':4} {'outage':16} {'open':>7} {'broken':>7} {'silent':>7} {'longest gap ms':>15}")
    for kind in options.kinds.split(","):
        for row in matrix(kind, options.connections):
            rows.append(row)
            print(f"{row['kind']:4} {row['outage']:16} {row['open']:7} {row['broken']:7} "
                  f"{row['silent']:7} {row['longest_gap_ms']:15}", flush=True)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"rows": rows}, file, indent=2)
    sys.exit(any(row["broken"] or row["silent"] for row in rows))


main()
