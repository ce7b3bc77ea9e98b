# SPDX-License-Identifier: Apache-2.0
"""vipd and Debian's keepalived elect with one another, in both directions."""
import pytest

from vipdlab.netns import wait_for
from vipdlab.scenes import Keepalived, Vipd, VrrpPair

DIRECTIONS = pytest.mark.parametrize("programs", [(Vipd, Keepalived), (Keepalived, Vipd)],
                                     ids=["vipd-is-master", "keepalived-is-master"])
SETTINGS = pytest.mark.parametrize("settings", [
    {"version": 2, "advert_int": 1, "auth": ("123456", "123456")},
    {"version": 3, "advert_int": 0.1, "unicast": True},
    {"version": 3, "advert_int": 0.1},
], ids=["v2-multicast-pass", "v3-unicast", "v3-multicast"])


@DIRECTIONS
@SETTINGS
def test_election_stop_and_return(lab, programs, settings):
    pair = VrrpPair(lab, programs, **settings)
    pair.wait_master(pair.d1)
    assert pair.stop_master() < pair.down_interval, "priority 0 was not understood"
    pair.d1.start()
    pair.wait_master(pair.d1)
    for daemon in pair.daemons:
        if isinstance(daemon, Vipd):
            counters = daemon.vrrp()["counters"]
            heard = {name: n for name, n in counters.items() if n and name in REJECTS}
            assert heard == {}, "an advert of keepalived was refused"


REJECTS = ("ttl", "checksum", "length", "version", "type", "auth_type", "auth_failure",
           "interval_mismatch", "interval_zero", "address_list", "address_count", "destination")


@DIRECTIONS
def test_kill_of_the_master(lab, programs):
    pair = VrrpPair(lab, programs)
    pair.wait_master(pair.d1)
    assert pair.kill_master() < pair.down_interval + 0.5


@DIRECTIONS
def test_a_wrong_password_parts_them(lab, programs):
    pair = VrrpPair(lab, programs, version=2, auth=("123456", "letmein"))
    wait_for(lambda: pair.masters() == ["d1", "d2"], 15, "both to be master, as with keepalived")
    vipd = next(d for d in pair.daemons if isinstance(d, Vipd))
    wait_for(lambda: vipd.counter("auth_failure") > 0, 10, "the counter of vipd")
    assert len(vipd.logged("invalid passwd")) == 1
