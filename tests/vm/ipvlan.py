# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: two routers with use_ipvlan, vipd and Debian's keepalived, elect.

    ipvlan.py RESULT BUILD

The result is JSON: what was seen, and what went wrong."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))
RESULT, os.environ["VIPD_BUILD"] = sys.argv[1:3]

from vipdlab.lab import Lab  # noqa: E402  (the build had to be named first)
from vipdlab.netns import ip_json  # noqa: E402
from vipdlab.scenes import VIP, Keepalived, Vipd, VrrpPair  # noqa: E402

PATIENCE = 60  # an emulated machine
OWN = {"d1": "10.77.0.61", "d2": "10.77.0.62"}


def devices(daemon):
    return {link["ifname"]: link for link in ip_json(daemon.node.ns, "-d link show")
            if link.get("linkinfo", {}).get("info_kind") == "ipvlan"}


def main():
    result = {}
    with Lab("vm") as lab:
        pair = VrrpPair(lab, (Vipd, Keepalived), advert_int=1, start=False)
        for daemon, role in zip(pair.daemons, ("d1", "d2")):
            daemon.write(pair.text(role, vips=[f"{VIP}/32"],
                                   lines=[f"use_ipvlan {OWN[role]}"]))
            daemon.start()
        pair.wait_master(pair.d1, PATIENCE)
        made = devices(pair.d1)
        result["device"] = list(made)
        result["mode"] = made["vrrp.51"]["linkinfo"]["info_data"]["mode"]
        where = ip_json(pair.d1.node.ns, "addr show dev vrrp.51")[0]["addr_info"]
        result["addresses"] = sorted(a["local"] for a in where if a["family"] == "inet")
        pair.d1.stop()
        pair.wait_master(pair.d2, PATIENCE)
        result["left"] = list(devices(pair.d1))
        pair.d1.start()
        pair.wait_master(pair.d1, PATIENCE)
        result["back"] = True
    return result


if __name__ == "__main__":
    try:
        outcome = main()
    except Exception as error:  # pylint: disable=broad-except
        outcome = {"error": f"{type(error).__name__}: {error}"}
    with open(RESULT, "w", encoding="utf-8") as out:
        json.dump(outcome, out)
