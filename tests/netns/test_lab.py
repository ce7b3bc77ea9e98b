# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself: whatever interrupts it, nothing of it stays."""
import os
import signal

import pytest

from vipdlab import lab as laboratory
from vipdlab import netns
from vipdlab.lab import Lab, remains


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_an_interrupt_waits_for_the_namespace_that_is_being_made(monkeypatch, number):
    made = []
    add = netns.add

    def add_interrupted(name):
        if "late" in name:
            os.kill(os.getpid(), number)
        add(name)
        made.append(name)

    monkeypatch.setattr(netns, "add", add_interrupted)
    with pytest.raises(KeyboardInterrupt):
        with Lab("test") as lab:
            lab.namespace("late")
            made.append("went on")
    assert made == [f"vipd-test-switch-{os.getpid()}", f"vipd-test-late-{os.getpid()}"]
    assert not any(name.endswith(f"-{os.getpid()}") for name in remains("test")[0])


def test_an_interrupt_waits_for_the_process_that_is_being_started(monkeypatch):
    process = laboratory.Process
    started = []

    def start_interrupted(*words, **keywords):
        os.kill(os.getpid(), signal.SIGINT)
        started.append(process(*words, **keywords))
        return started[0]

    monkeypatch.setattr(laboratory, "Process", start_interrupted)
    with pytest.raises(KeyboardInterrupt):
        with Lab("test") as lab:
            lab.start("sleeper", ["sleep", "600"])
    assert not started[0].running()
