# SPDX-License-Identifier: Apache-2.0
"""BFD_CHECK: a real server that follows a BFD session, with BIRD on the server."""
import os
import signal

import pytest
from scapy.all import IP, UDP

from vipdlab.netns import wait_for
from vipdlab.routers import Bird
from vipdlab.scenes import DIRECTORS, REALS, VIP, Balancer
from vipdlab.wire import Sniffer

DIRECTOR, LEAF = DIRECTORS["d1"][0], REALS["r1"]
INTERVAL_MS, MULTIPLIER = 50, 5
DETECTION = INTERVAL_MS * MULTIPLIER / 1000
SESSION = (f"bfd_instance leaf {{\n    neighbor_ip {LEAF}\n    source_ip {DIRECTOR}\n"
           f"    min_rx {INTERVAL_MS}\n    min_tx {INTERVAL_MS}\n    multiplier {MULTIPLIER}\n}}\n")


class Scene:
    """One director without VRRP, two servers; r1 follows the session, r2 nothing."""

    def __init__(self, lab, alpha=False):
        check = "BFD_CHECK {\n            name leaf\n" + ("alpha\n" if alpha else "") + "        }"
        self.balancer = Balancer(lab, directors=("d1",), vrrp=False, start=False,
                                 check={LEAF: check})
        self.vipd = self.balancer.directors["d1"]
        self.vipd.node.ip(f"addr add {VIP}/32 dev eth0")
        self.vipd.write(SESSION + self.balancer.text("d1"))
        self.bird = Bird(self.balancer.reals["r1"], LEAF, DIRECTOR, ms=INTERVAL_MS,
                         multiplier=MULTIPLIER)

    def start(self):
        self.bird.start()
        self.vipd.start()
        self.wait_session("up")
        for role in ("r1", "r2"):
            self.vipd.wait_real(REALS[role], True)

    def session(self):
        listed = [s for s in self.vipd.status()["bfd"] if s["name"] == "leaf"]
        return listed[0] if listed else {"state": None, "counters": {}}

    def wait_session(self, state):
        wait_for(lambda: self.session()["state"] == state, 10, f"the session {state}")

    def servers(self, count=8):
        return {self.balancer.get() for _ in range(count)}


def removals(vipd):
    return vipd.logged(rf"Removing service \[{LEAF}\]")


def test_the_real_server_goes_and_comes_with_its_session(lab):
    scene = Scene(lab)
    scene.start()
    vipd = scene.vipd
    assert scene.servers() == {"r1", "r2"}
    with Sniffer(vipd.node.ns, lambda p: UDP in p and p[UDP].dport == 3784) as seen:
        seen.wait(lambda p: p[IP].src == LEAF)
        scene.bird.kill()
        vipd.wait_real(LEAF, False, timeout=DETECTION + 2)
        first = seen.wait(lambda p: p.outgoing and bytes(p[UDP].payload)[0] & 0x1f == 1,
                          what="the packet that says that the detection time has expired")
        last = seen.matching(lambda p: p[IP].src == LEAF)[-1]
        assert DETECTION - 0.02 < first.time - last.time < DETECTION + 1
    assert scene.servers() == {"r2"}
    assert vipd.real(LEAF)["reason"] == "BFD session leaf is down"
    assert len(removals(vipd)) == 1

    scene.bird.start()
    vipd.wait_real(LEAF, True)
    assert scene.servers() == {"r1", "r2"}
    wait_for(lambda: scene.session()["counters"]["up"] == 2, 5, "the second time in its counters")
    counters = scene.session()["counters"]
    assert counters["down"] == 1
    assert counters["packet_rx"] > 20 and counters["packet_tx"] > 20
    assert counters["packet_tx_failed"] == 0 and counters["reject_ttl"] == 0
    # A reload changes nothing of it.
    vipd.vipctl("reload")
    wait_for(lambda: scene.session()["counters"]["packet_rx"] > counters["packet_rx"] + 20, 5,
             "20 more packets")
    assert scene.session()["counters"]["down"] == 1
    assert len(removals(vipd)) == 1


def test_alpha_waits_for_the_session(lab):
    scene = Scene(lab, alpha=True)
    scene.vipd.start()
    scene.vipd.wait_real(REALS["r2"], True)
    assert not scene.vipd.real(LEAF)["alive"]
    assert scene.servers() == {"r2"}
    scene.bird.start()
    scene.vipd.wait_real(LEAF, True)
    assert scene.servers() == {"r1", "r2"}


@pytest.mark.parametrize("neighbour_dies", [False, True], ids=["alone", "with-the-neighbour"])
def test_the_vrrp_process_dies(lab, neighbour_dies):
    """The sessions are its. The real server notices only if its session does not come back."""
    scene = Scene(lab)
    scene.start()
    old = scene.vipd.role_pid("vrrp")
    os.kill(old, signal.SIGSTOP)  # it must not find out before it dies
    if neighbour_dies:
        scene.bird.kill()
    else:
        scene.bird.process.signal(signal.SIGSTOP)
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: scene.vipd.role_pid("vrrp") not in (0, -1, old), 10, "a new vrrp process")
    if neighbour_dies:
        scene.vipd.wait_real(LEAF, False)
        assert len(removals(scene.vipd)) == 1
        return
    # Core is told that it is down, once or twice: not for long enough.
    wait_for(lambda: scene.session()["state"] == "down" and scene.session()["in_state_ms"] > 1500,
             5, "a session that is not up yet")
    scene.bird.process.signal(signal.SIGCONT)
    scene.wait_session("up")
    assert scene.session()["counters"]["down"] == 0
    assert removals(scene.vipd) == []
    assert scene.servers() == {"r1", "r2"}
