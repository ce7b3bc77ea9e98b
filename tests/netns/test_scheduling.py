# SPDX-License-Identifier: Apache-2.0
"""Where connections go, as clients and vipctl see it."""
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, Balancer


def test_wlc_shares_out_and_vipctl_tells_of_the_connections(lab):
    scene = Balancer(lab, algo="wlc", directors=("d1",))
    (d1,) = scene.directors.values()
    answers = sorted(scene.get() for _ in range(10))
    assert answers == ["r1"] * 5 + ["r2"] * 5
    (service,) = d1.status()["services"]
    assert service["scheduler"] == "wlc"
    assert [real["active"] + real["inactive"] for real in service["reals"]] == [5, 5]


def test_a_persistent_client_stays_across_a_failover(lab):
    scene = Balancer(lab, algo="wlc", lines=("persistence_timeout 50",))
    d1, d2 = scene.directors.values()
    answers = {scene.get() for _ in range(6)}
    assert len(answers) == 1

    def template(director):
        return [flow for flow in director.flows(f"client={CLIENT}:0") if flow["template"]]

    (here,) = template(d1)
    assert here["state"] == "ASSURED"
    (there,) = wait_for(lambda: template(d2), 5, "the template at the standby")
    assert there["real"] == here["real"]
    d1.stop()
    scene.wait_answer()
    assert {scene.get() for _ in range(6)} == answers
