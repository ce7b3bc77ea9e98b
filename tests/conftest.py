# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the namespace scenarios. Logs of a scenario stay in BUILD/test-logs/NAME."""
import os
import re
import shutil
import sys

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "support"))

from vipdlab import lab as laboratory  # noqa: E402  (the path had to be set first)


FIGURES = pytest.StashKey()


def pytest_configure(config):
    """SIGTERM is Ctrl-C here: what a scenario has made goes before pytest does."""
    laboratory.interruptible()
    config.stash[FIGURES] = []


def pytest_terminal_summary(terminalreporter, config):
    """What was measured is shown, passed or failed."""
    if config.stash[FIGURES]:
        terminalreporter.section("measured")
        for line in config.stash[FIGURES]:
            terminalreporter.line(line)


@pytest.fixture
def figure(request, record_property):
    """figure(name, value) notes a measurement: shown at the end, and in the results file."""
    def note(name, value):
        record_property(name, value)
        request.config.stash[FIGURES].append(f"{request.node.name}: {name} {value}")

    return note


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure shows the ends of the logs of all processes of its lab."""
    outcome = yield
    report = outcome.get_result()
    lab = getattr(item, "lab", None)
    if report.failed and call.when != "teardown" and lab:
        for process in lab.processes:
            try:
                report.sections.append((f"log of {process.name}: {process.log_path}",
                                        process.tail(30)))
            except OSError:
                pass


@pytest.fixture
def log_folder(request):
    name = re.sub(r"[^\w.-]+", "_", request.node.nodeid.removeprefix("tests/"))
    path = os.path.join(laboratory.BUILD, "test-logs", name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


@pytest.fixture
def lab(request, log_folder):
    """A lab of this scenario alone; it is gone when the scenario ends, however that be."""
    with laboratory.Lab("test", log_folder) as made:
        request.node.lab = made
        yield made
