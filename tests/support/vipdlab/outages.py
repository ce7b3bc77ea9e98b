# SPDX-License-Identifier: Apache-2.0
"""All the ways in which a director goes and comes back. Each begins and ends with the first director of
a Balancer as the master."""
import os
import shutil
import signal

from .netns import wait_for
from .scenes import REALS, VIP


def _takeover(scene):
    _, d2 = scene.directors.values()
    d2.wait_state("MASTER")
    d2.wait_vip(VIP)


def _return(scene):
    d1, d2 = scene.directors.values()
    for role in scene.reals:
        d1.wait_real(REALS[role], True, scene.real_port)
    d1.wait_synced()
    d1.wait_state("MASTER", 20)
    d1.wait_vip(VIP)
    d2.wait_synced()


def kill_and_cut(scene):
    """SIGKILL for every process, and the cable out."""
    d1, _ = scene.directors.values()
    d1.node.link(up=False)
    d1.kill()
    _takeover(scene)
    d1.node.link(up=True)
    d1.start()
    _return(scene)


def freeze(scene):
    """All processes stopped by SIGSTOP; later they go on as if nothing had been."""
    d1, _ = scene.directors.values()
    family = [d1.process.popen.pid, *d1.process.family()]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        _takeover(scene)
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)
    _return(scene)


def stop_and_start(scene):
    """A stop in good order, and a start some time later."""
    d1, _ = scene.directors.values()
    d1.stop()
    _takeover(scene)
    d1.start()
    _return(scene)


def restart(scene):
    """A start right after the stop."""
    d1, _ = scene.directors.values()
    d1.stop()
    d1.start()
    _return(scene)


def upgrade(scene):
    """Another program in the same process."""
    d1, _ = scene.directors.values()
    before = d1.status()
    d1.vipctl("upgrade", timeout=30)
    # Between the two cores nobody answers.
    wait_for(lambda: (d1.try_status() or before)["uptime_ms"] < before["uptime_ms"], 20,
             "the new core")
    wait_for(lambda: all(p["state"] == "running" for p in d1.status()["processes"]), 20,
             "all processes to run")
    _return(scene)


def reboot(scene):
    """Nothing is left of what was in memory: no process, no program, no map."""
    d1, _ = scene.directors.values()
    d1.stop()
    # A machine that goes down forwards to the end; without the program its kernel would route what
    # NAT servers answer, past the VIP.
    _takeover(scene)
    shutil.rmtree(d1.pins)
    d1.start()
    _return(scene)


OUTAGES = (kill_and_cut, freeze, stop_and_start, restart, upgrade, reboot)
