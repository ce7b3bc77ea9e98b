# SPDX-License-Identifier: Apache-2.0
"""Downloads under way, at each method, through everything that can happen to their director."""
import pytest

from vipdlab.load import Load
from vipdlab.netns import wait_for
from vipdlab.outages import OUTAGES
from vipdlab.scenes import VIP, Balancer

DOWNLOADS = 100


@pytest.mark.parametrize("kind, port", [("DR", 80), ("TUN", 80), ("NAT", 8080)],
                         ids=lambda v: str(v))
def test_downloads_outlive_every_outage_of_their_director(lab, kind, port):
    scene = Balancer(lab, kind=kind, real_port=port)
    _, d2 = scene.directors.values()
    load = Load(scene.client, VIP)
    load.open(DOWNLOADS)
    wait_for(lambda: d2.flow_count("state=ESTABLISHED") >= DOWNLOADS, 5, "the flows at the standby")
    for outage in OUTAGES:
        load.begin_step()
        outage(scene)
        report = load.settle()
        seen = (outage.__name__, report["open"], report["broken"], load.silent(2))
        assert seen == (outage.__name__, DOWNLOADS, {}, {})
