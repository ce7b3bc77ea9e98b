# SPDX-License-Identifier: Apache-2.0
"""lvs_sync_daemon: in the words of IPVS's sync daemons, with a peer that is written down here byte by
byte. tests/vm has a real one."""
import socket
import struct

from scapy.all import IP, UDP

from vipdlab import config, netns
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, DIRECTORS, REALS, VIP, Balancer
from vipdlab.wire import Sniffer

GROUP, PORT, SYNC_ID = "224.0.0.81", 8848, 7
ESTABLISHED, FIN_WAIT = 1, 4
DR_NO_OUTPUT, INACTIVE, TEMPLATE = 0x83, 0x100, 0x1000


def record(client_port, real=REALS["r1"], vip=VIP, state=ESTABLISHED, flags=DR_NO_OUTPUT):
    return (struct.pack("!BBHIHHHHII", 0, 6, 36, flags, state, client_port, 80, 80, 0, 900)
            + b"".join(socket.inet_aton(a) for a in (CLIENT, vip, real)))


def datagram(*records, sync_id=SYNC_ID):
    body = b"".join(records)
    return struct.pack("!BBHBBH", 0, sync_id, 8 + len(body), len(records), 1, 0) + body


def datagram0(*ports):
    body = b"".join(struct.pack("!BBHHH", 0, 6, port, 80, 80)
                    + b"".join(socket.inet_aton(a) for a in (CLIENT, VIP, REALS["r1"]))
                    + struct.pack("!HH", DR_NO_OUTPUT, ESTABLISHED) for port in ports)
    return struct.pack("!BBH", len(ports), SYNC_ID, 4 + len(body)) + body


def say(node, *datagrams):
    with node.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        interface = struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0"))
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
        for one in datagrams:
            udp.sendto(one, (GROUP, PORT))


def read(payload):
    """An independent reading of a version 1 datagram: (sync id, [(flags, state, client port, real)])."""
    _, sync_id, size, count, version, _ = struct.unpack_from("!BBHBBH", payload)
    assert (size, version) == (len(payload), 1)
    found = []
    for n in range(count):
        kind, protocol, length, flags, state, port, vport, rport, _, timeout = struct.unpack_from(
            "!BBHIHHHHII", payload, 8 + 36 * n)
        client, vip, real = (socket.inet_ntoa(payload[8 + 36 * n + at:][:4]) for at in (24, 28, 32))
        assert (kind, protocol, length, client, vip, vport, rport) == (0, 6, 36, CLIENT, VIP, 80, 80)
        found.append((flags, state, port, real, timeout))
    return sync_id, found


def balancer(lab, options, **keywords):
    scene = Balancer(lab, directors=("d1",), start=False, **keywords)
    d1 = scene.directors["d1"]
    scene.ipvs = lab.node("ipvs", f"{DIRECTORS['d2'][0]}/24")
    d1.write(scene.text("d1").replace(
        "global_defs {", f"global_defs {{\n    lvs_sync_daemon eth0 {options}"))
    d1.start()
    scene.wait_ready()
    return scene, d1


def ipvs(vipd):
    return vipd.status()["sync"]["ipvs"]


def test_connections_of_an_ipvs_director_are_taken_over(lab):
    scene, d1 = balancer(lab, f"id {SYNC_ID}")
    assert (ipvs(d1)["master"], ipvs(d1)["backup"]) == (True, True)
    say(scene.ipvs, datagram(record(1001), record(1002, REALS["r2"])), datagram0(1003),
        datagram(record(1004, state=FIN_WAIT, flags=DR_NO_OUTPUT | INACTIVE)))
    flows = wait_for(lambda: len(d1.flows(f"client={CLIENT}")) == 4 and d1.flows(), 5,
                     lambda: f"4 flows: {d1.flows()} {ipvs(d1)}")
    assert {(f["client"], f["real"], f["state"], f["synced"]) for f in flows} == {
        (f"{CLIENT}:1001", f"{REALS['r1']}:80", "ESTABLISHED", True),
        (f"{CLIENT}:1002", f"{REALS['r2']}:80", "ESTABLISHED", True),
        (f"{CLIENT}:1003", f"{REALS['r1']}:80", "ESTABLISHED", True),
        (f"{CLIENT}:1004", f"{REALS['r1']}:80", "FIN_WAIT", True)}
    assert ipvs(d1)["counters"]["flows_stored"] == 4


def test_what_cannot_be_taken_is_counted_by_its_reason(lab):
    scene, d1 = balancer(lab, f"id {SYNC_ID} maxlen 200")
    stranger = lab.node("stranger", "10.99.0.1/24")
    say(stranger, datagram(record(2001)))
    good = datagram(record(2002))
    say(scene.ipvs, good[:-1], good + b"\0", good[:10] + b"\x10" + good[11:],
        datagram(record(2003), sync_id=SYNC_ID + 1), datagram(*[record(n) for n in range(6)]),
        datagram(record(2004, flags=DR_NO_OUTPUT | TEMPLATE), record(2005, state=99),
                 record(2006, real="10.77.0.99"), record(2007, vip="10.77.0.99")))
    wanted = {"drop_foreign": 1, "drop_truncated": 1, "drop_size": 1, "drop_malformed": 1,
              "drop_other_id": 1, "drop_oversized": 1, "skip_template": 1, "skip_state": 1,
              "flows_unknown": 2}
    wait_for(lambda: wanted.items() <= ipvs(d1)["counters"].items(), 5,
             lambda: f"{wanted} in {ipvs(d1)['counters']}")
    assert d1.flows(f"client={CLIENT}") == []


def test_a_master_tells_its_connections_and_a_backup_listens(lab):
    scene, d1 = balancer(lab, f"VI_1 id {SYNC_ID} ttl 3")
    wait_for(lambda: ipvs(d1)["master"] and not ipvs(d1)["backup"], 5, lambda: f"{ipvs(d1)}")
    with Sniffer(scene.ipvs.ns, lambda p: UDP in p and p[UDP].dport == PORT) as seen:
        with scene.client.inside():
            connection = socket.create_connection((VIP, 80), timeout=5)
        port = connection.getsockname()[1]

        def told():
            return [one for packet in seen.matching() for one in read(bytes(packet[UDP].payload))[1]
                    if one[2] == port]

        wait_for(told, 5, lambda: f"port {port} of {seen.packets}")
        flow = d1.flows(f"client={CLIENT}:{port}")[0]
        assert told()[0] == (DR_NO_OUTPUT, ESTABLISHED, port, flow["real"].split(":")[0], 900)
        packet = seen.matching()[0]
        assert (packet[IP].dst, packet[IP].ttl) == (GROUP, 3)
        assert read(bytes(packet[UDP].payload))[0] == SYNC_ID
        connection.close()
        wait_for(lambda: any(one[:2] == (DR_NO_OUTPUT | INACTIVE, FIN_WAIT) for one in told()), 5,
                 lambda: f"FIN_WAIT among {told()}")
    # Another of the instance takes over: now it listens, and tells no more.
    say(scene.ipvs, datagram(record(3001)))
    assert ipvs(d1)["counters"]["datagrams_received"] == 0
    d1.vipctl("handover")
    wait_for(lambda: ipvs(d1)["backup"] and not ipvs(d1)["master"], 5, lambda: f"{ipvs(d1)}")
    say(scene.ipvs, datagram(record(3001)))
    wait_for(lambda: d1.flows(f"client={CLIENT}:3001"), 5, lambda: f"the flow: {ipvs(d1)}")


def test_an_ipv6_group_and_an_interface_that_comes_later(lab):
    scene, d1 = balancer(lab, "group ff02::51 port 9000", vrrp=False)
    assert "ff02::51" in ipvs(d1)["problem"]  # a lab has no IPv6
    d1.node.cmd(["sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0"])

    def joined():
        return "ff02::51" in netns.run(
            netns.enter(d1.node.ns) + ["ip", "-6", "maddr", "show", "dev", "eth0"]).stdout

    wait_for(lambda: joined() and ipvs(d1)["problem"] == "", 10, lambda: f"{ipvs(d1)}")
    text = scene.text("d1").replace(
        "global_defs {", "global_defs {\n    dynamic_interfaces\n    lvs_sync_daemon late0 id 1")
    d1.write(text)
    d1.reload()
    wait_for(lambda: "late0" in ipvs(d1)["problem"], 5, lambda: f"{ipvs(d1)}")
    d1.node.ip("link add late0 type veth peer name late1")
    d1.node.ip("link set late0 up")
    wait_for(lambda: ipvs(d1)["problem"] == "" and ipvs(d1)["backup"], 5, lambda: f"{ipvs(d1)}")
