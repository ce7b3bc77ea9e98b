# SPDX-License-Identifier: Apache-2.0
"""auth_hmac between two vipd: the trailer on the wire, forged and old adverts, modes, key files."""
import hashlib
import hmac
import os
import socket

import pytest
from scapy.all import IP, Ether
from scapy.layers.vrrp import VRRPv3

from vipdlab import wire
from vipdlab.netns import wait_for
from vipdlab.scenes import DIRECTORS, VrrpPair
from vipdlab.wire import Sniffer

GROUP_MAC = "01:00:5e:00:00:12"
SECRET = bytes(range(32))


def block(*lines):
    return ("auth_hmac {", *(f"    {line}" for line in lines), "}")


def trailer_of(advert):
    """(advert without trailer, trailer)."""
    payload = bytes(advert[IP].payload)
    return payload[:-28], payload[-28:]


def is_signed(advert, version):
    message, trailer = trailer_of(advert)
    pseudo = bytes([4, version, 51, 0]) + socket.inet_aton(advert[IP].src).ljust(16, b"\0")
    covered = pseudo + message[:6] + b"\0\0" + message[8:] + trailer[:12] + bytes(16)
    return hmac.new(SECRET, covered, hashlib.sha256).digest()[:16] == trailer[12:]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("unicast", [False, True], ids=["multicast", "unicast"])
def test_adverts_are_signed_and_believed(lab, tmp_path, version, unicast):
    key = tmp_path / "key"
    key.write_text(f"hex:{SECRET.hex()}\n")
    os.chmod(key, 0o600)
    pair = VrrpPair(lab, version=version, unicast=unicast, start=False,
                    lines=block(f"key 1 file:{key}"))
    with Sniffer(pair.d1.node.ns, lambda p: IP in p and p[IP].proto == 112) as adverts:
        for daemon in pair.daemons:
            daemon.start()
        pair.wait_master(pair.d1)
        advert = adverts.wait(lambda p: p.outgoing)
    assert len(advert[IP].payload) == 8 + 4 + (8 if version == 2 else 0) + 28
    assert is_signed(advert, version)
    heard = pair.d2.counter("advert_rx")
    wait_for(lambda: pair.d2.counter("advert_rx") > heard, 10, "an advert that d2 believes")
    for daemon in pair.daemons:
        assert SECRET.hex() not in daemon.process.tail()


def test_without_a_trailer_or_with_an_old_one_nothing_changes(lab):
    pair = VrrpPair(lab, lines=block(f"key 1 hex:{SECRET.hex()}"))
    pair.wait_master(pair.d1)
    intruder = lab.node("intruder", "10.77.0.66/24")
    with Sniffer(intruder.ns, lambda p: IP in p and p[IP].proto == 112) as adverts:
        captured = adverts.wait(lambda p: not p.outgoing)
    forged = (Ether(src=intruder.mac, dst=GROUP_MAC)
              / IP(src=intruder.address, dst="224.0.0.18", ttl=255, proto=112)
              / VRRPv3(vrid=51, priority=200, ipcount=1, adv=10, addrlist=["10.77.0.100"]))
    wire.send(intruder.ns, forged)
    wait_for(lambda: pair.d1.counter("hmac_missing") == 1, 5, "the forged advert at d1")
    replayed = Ether(src=intruder.mac, dst=GROUP_MAC) / captured[IP]
    wire.send(intruder.ns, replayed)
    wait_for(lambda: pair.d2.counter("hmac_replay") == 1, 5, "the replayed advert at d2")
    assert pair.masters() == ["d1"]
    assert pair.d1.counter("release_master") == 0


def test_permissive_and_receive_only_hear_each_other(lab):
    pair = VrrpPair(lab, start=False)
    for role, daemon, mode in zip(DIRECTORS, pair.daemons, ("permissive", "receive-only")):
        daemon.write(pair.text(role, lines=block(f"key 1 hex:{SECRET.hex()}", f"mode {mode}")))
        daemon.start()
    pair.wait_master(pair.d1)
    heard = pair.d2.counter("advert_rx")
    wait_for(lambda: pair.d2.counter("advert_rx") > heard, 10, "d1's signed adverts at d2")
    pair.stop_master()
    pair.d1.start()
    pair.wait_master(pair.d1)
    wait_for(lambda: pair.d1.counter("hmac_missing_accepted") > 0, 10, "d2's unsigned ones at d1")
