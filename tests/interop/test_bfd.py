# SPDX-License-Identifier: Apache-2.0
"""BFD sessions of vipd with BIRD and with Debian's keepalived; an instance follows the session."""
import pytest

from vipdlab import config
from vipdlab.netns import wait_for
from vipdlab.scenes import DIRECTORS, VIP, Keepalived, Vipd

HERE, THERE = (DIRECTORS[role][0] for role in ("d1", "d2"))


def bfd_instance(neighbour, source, *lines):
    return "\n".join(["bfd_instance there {", f"    neighbor_ip {neighbour}",
                      f"    source_ip {source}"] + [f"    {line}" for line in lines] + ["}\n"])


def instance(*lines):
    return config.vrrp_instance(version=3, advert_int=0.1, vips=[f"{VIP}/32 dev eth0"],
                                lines=("track_bfd {", "    there", "}") + lines)


@pytest.fixture(name="here")
def vipd_here(lab):
    """vipd at d1, in FAULT as long as the session to d2 is not up; `min_rx` and the like are
    milliseconds."""
    node = lab.node("d1", f"{HERE}/24")
    return Vipd(node, config.global_defs("d1")
                + bfd_instance(THERE, HERE, "min_rx 20", "min_tx 20", "multiplier 5") + instance())


class Bird:
    def __init__(self, node):
        self.node = node
        self.socket = f"{node.folder()}/bird.ctl"
        self.config = node.write("bird.conf", f"""
router id {THERE};
protocol device {{ }}
protocol bfd {{
    interface "eth0" {{
        min rx interval 20 ms;
        min tx interval 20 ms;
        idle tx interval 1 s;
        multiplier 5;
    }};
    neighbor {HERE} dev "eth0" local {THERE};
}}
""")
        self.process = None

    def start(self):
        self.process = self.node.start("bird", ["/usr/sbin/bird", "-f", "-c", self.config,
                                                "-s", self.socket])
        return self

    def session(self):
        done = self.node.cmd(["/usr/sbin/birdc", "-s", self.socket, "show", "bfd", "sessions"],
                             check=False)
        line = [words for words in map(str.split, done.stdout.splitlines())
                if words and words[0] == HERE]
        return line[0][2] if line else None


def test_bird_and_vipd_see_each_other_come_and_go(lab, here):
    bird = Bird(lab.node("d2", f"{THERE}/24"))
    here.start()
    here.wait_state("FAULT")
    bird.start()
    here.wait_state("MASTER")
    wait_for(lambda: bird.session() == "Up", 10, "the session at BIRD")
    # Killed, it says nothing any more: only the detection time tells.
    bird.process.kill_all()
    here.wait_state("FAULT")
    assert here.logged(r"BFD_Instance\(there\) Entering Down state \(Local diagnostic 1\)")
    bird.start()
    here.wait_state("MASTER")
    # And the reverse: vipd that stops says so.
    here.stop()
    wait_for(lambda: bird.session() == "Down", 10, "the end of the session at BIRD")


def test_keepalived_and_vipd_see_each_other_come_and_go(lab, here):
    node = lab.node("d2", f"{THERE}/24")
    there = Keepalived(node, config.global_defs("d2") + bfd_instance(
        HERE, THERE, "min_rx 20", "min_tx 20", "multiplier 5") + config.vrrp_instance(
            "VI_2", vrid=52, version=3, vips=["10.77.0.200/32 dev eth0"],
            lines=("track_bfd {", "    there", "}")))
    here.start()
    here.wait_state("FAULT")
    there.start()
    here.wait_state("MASTER")
    there.wait_vip("10.77.0.200", 20)
    here.kill()
    there.wait_no_vip("10.77.0.200", 20)
    here.start()
    here.wait_state("MASTER")
    there.kill()
    here.wait_state("FAULT")
