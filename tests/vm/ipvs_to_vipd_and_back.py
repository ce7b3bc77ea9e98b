# SPDX-License-Identifier: Apache-2.0
"""Runs inside the machine: established TCP connections go from an IPVS director to vipd and back.

    ipvs_to_vipd_and_back.py RESULT BUILD

Both directors hand out by rr, so that a connection that one did not know of would go to the wrong server
in every second case, and break there. The result is JSON: figures, and what went wrong."""
import json
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../support"))
RESULT, os.environ["VIPD_BUILD"] = sys.argv[1:3]

from vipdlab import config, netns  # noqa: E402  (the build had to be named first)
from vipdlab.daemon import Vipd  # noqa: E402
from vipdlab.lab import Lab  # noqa: E402
from vipdlab.netns import wait_for  # noqa: E402
from vipdlab.web import take_vip  # noqa: E402

VIP, PORT = "10.77.0.100", 80
CLIENT, IPVS, VIPD = "10.77.0.10", "10.77.0.11", "10.77.0.12"
REALS = {"r1": "10.77.0.21", "r2": "10.77.0.22"}
CONNECTIONS, MORE = 100, 50
# A machine that is emulated, on a host that has other things to do.
PATIENCE = 60

ECHO = """
import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
async def main():
    await (await asyncio.start_server(serve, "", 80, backlog=512)).serve_forever()
asyncio.run(main())
"""


class Client:
    def __init__(self, node):
        self.node = node
        self.open = []
        self.sent = 0

    def towards(self, director):
        """Whose MAC the VIP has: what a gratuitous ARP would do."""
        self.node.ip(f"neigh replace {VIP} lladdr {director.mac} dev eth0 nud permanent")

    def connect(self, count):
        with self.node.inside():
            for _ in range(count):
                self.open.append(socket.create_connection((VIP, PORT), timeout=PATIENCE))

    def talk(self, rounds=1):
        """A line on each connection and its echo, `rounds` times; the number that are broken."""
        broken = 0
        for connection in list(self.open):
            try:
                for _ in range(rounds):
                    self.sent += 1
                    line = f"{self.sent}\n".encode()
                    connection.sendall(line)
                    answer = b""
                    while not answer.endswith(b"\n"):
                        answer += connection.recv(100) or b"end\n"
                    if answer != line:
                        raise ConnectionError(answer)
            except OSError:
                broken += 1
                self.open.remove(connection)
        return broken


def ipvs_connections(node):
    """(client port, real) of those that the kernel lists as established."""
    listed = node.cmd(["ipvsadm", "-Lnc"]).stdout.splitlines()
    rows = [line.split() for line in listed if "ESTABLISHED" in line]
    return {(int(row[3].rpartition(":")[2]), row[5]) for row in rows}


def vipd_connections(vipd):
    return {(int(f["client"].rpartition(":")[2]), f["real"])
            for f in vipd.flows("state=ESTABLISHED")}


def run(lab, result):
    client = Client(lab.node("client", f"{CLIENT}/24"))
    for role, address in REALS.items():
        node = lab.node(role, f"{address}/24")
        take_vip(node, VIP)
        node.start(f"echo-{role}", ["/usr/bin/python3", "-c", ECHO])
    for module in ("ip_vs", "ip_vs_rr"):
        netns.run(["modprobe", module])
    ipvs = lab.node("ipvs", f"{IPVS}/24")
    ipvs.ip(f"addr add {VIP}/32 dev eth0")
    for command in (["-A", "-t", f"{VIP}:{PORT}", "-s", "rr"],
                    *(["-a", "-t", f"{VIP}:{PORT}", "-r", f"{real}:{PORT}", "-g"]
                      for real in REALS.values()),
                    ["--start-daemon", "master", "--mcast-interface", "eth0", "--syncid", "7"],
                    ["--start-daemon", "backup", "--mcast-interface", "eth0", "--syncid", "7"]):
        ipvs.cmd(["ipvsadm", *command])
    node = lab.node("vipd", f"{VIPD}/24", xdp=True)
    vipd = Vipd(node, config.global_defs("vipd", "lvs_sync_daemon eth0 id 7")
                + config.virtual_server(VIP, PORT, list(REALS.values()), algo="rr", check=None)
                + config.vipd("interfaces eth0", "flow_table_size 4096"))
    vipd.start(ready=False).wait_ready(PATIENCE)
    for real in REALS.values():
        vipd.wait_real(real, True, timeout=PATIENCE)
    result["kernel"] = os.uname().release

    began = time.monotonic()
    client.towards(ipvs)
    wait_for(lambda: client.connect(1) or True, PATIENCE, "a connection by IPVS")
    client.connect(CONNECTIONS - 1)
    # From its third packet on IPVS tells of a connection.
    result["broken_at_ipvs"] = client.talk(3)
    before = ipvs_connections(ipvs)
    result["ipvs_connections"] = len(before)
    wait_for(lambda: vipd_connections(vipd) >= before, PATIENCE,
             lambda: f"{len(before)} at vipd: {vipd.status()['sync']['ipvs']}")

    client.towards(node)
    result["broken_at_vipd"] = client.talk(2)
    client.connect(MORE)
    result["broken_at_vipd"] += client.talk()
    there = vipd_connections(vipd)
    result["vipd_connections"] = len(there)
    wait_for(lambda: ipvs_connections(ipvs) >= there, PATIENCE,
             lambda: f"{len(there)} at IPVS, which has {len(ipvs_connections(ipvs))}")

    client.towards(ipvs)
    result["broken_back_at_ipvs"] = client.talk(2)
    result["open_at_the_end"] = len(client.open)
    result["seconds"] = round(time.monotonic() - began, 1)
    result["vipd_counters"] = vipd.status()["sync"]["ipvs"]["counters"]


def main():
    result = {}
    try:
        with Lab("vm") as lab:
            try:
                run(lab, result)
            except BaseException:
                for process in lab.processes:
                    print(f"--- {process.name}\n{process.tail(40)}", flush=True)
                raise
    except netns.LabError as error:
        result["error"] = str(error)
    with open(RESULT, "w", encoding="utf-8") as file:
        json.dump(result, file)


main()
