# SPDX-License-Identifier: Apache-2.0
"""FILE_CHECK: a real server that follows the number in a file."""
from vipdlab.netns import wait_for
from vipdlab.scenes import REALS, VIP, Balancer


def test_the_real_server_follows_the_file(lab):
    balancer = Balancer(lab, directors=("d1",), vrrp=False, start=False, check={
        REALS["r1"]: "FILE_CHECK {\n            track_file load\n            weight 2\n        }"})
    vipd = balancer.directors["d1"]
    vipd.node.ip(f"addr add {VIP}/32 dev eth0")
    file = vipd.node.write("load", "0\n")
    vipd.write(f"track_file load {{\n    file {file}\n}}\n" + balancer.text("d1"))
    vipd.start()
    for role in ("r1", "r2"):
        vipd.wait_real(REALS[role], True)

    def servers():
        return {balancer.get() for _ in range(8)}

    def weighs(weight):
        wait_for(lambda: vipd.real(REALS["r1"])["effective_weight"] == weight, 5, f"weight {weight}")

    assert servers() == {"r1", "r2"}
    vipd.node.write("load", "5\n")
    weighs(11)
    vipd.node.write("load", "-127\n")
    vipd.wait_real(REALS["r1"], False)
    assert servers() == {"r2"}
    assert vipd.real(REALS["r1"])["reason"] == "track_file load has -127"
    # A reload reads it anew and changes nothing; the file is the only one that can.
    vipd.vipctl("reload")
    assert not vipd.real(REALS["r1"])["alive"]
    vipd.node.write("load", "0\n")
    vipd.wait_real(REALS["r1"], True)
    weighs(1)
    assert servers() == {"r1", "r2"}
