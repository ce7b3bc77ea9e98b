# SPDX-License-Identifier: Apache-2.0
"""The load generator as an object: commands to loadgen.py, reports back."""
import json
import os
import select
import subprocess
import time

from . import netns
from .netns import LabError, wait_for

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "loadgen.py")


class Load:
    def __init__(self, node, address, port=80):
        self.process = node.lab.start(
            "load", netns.enter(node.ns) + ["/usr/bin/python3", SCRIPT, address, str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, **command):
        pipe = self.process.popen
        try:
            pipe.stdin.write(json.dumps(command).encode() + b"\n")
            pipe.stdin.flush()
        except BrokenPipeError:
            raise LabError(f"the load generator has ended:\n{self.process.tail()}") from None
        if not select.select([pipe.stdout], [], [], 30)[0]:
            raise LabError("the load generator does not answer")
        line = pipe.stdout.readline()
        if not line:
            raise LabError(f"the load generator has ended:\n{self.process.tail()}")
        return json.loads(line)

    def open(self, count, timeout=60, progress=None):
        """Opens downloads until `count` are open."""
        self.ask(do="downloads", want=count)
        seen = [0]

        def enough():
            report = self.report()
            if progress and report["open"] - seen[0] >= max(1, count // 5):
                seen[0] = report["open"]
                progress(report)
            return report["open"] >= count and report

        return wait_for(enough, timeout,
                        lambda: f"{count} downloads open: {json.dumps(self.report())}",
                        interval=0.1)

    def requests(self, rate):
        self.ask(do="requests", rate=rate)

    def begin_step(self):
        self.ask(do="step")

    def report(self):
        return self.ask(do="report")

    def silent(self, seconds):
        """Open downloads without a byte for so long, by server."""
        return self.ask(do="silent", seconds=seconds)["silent"]

    def settle(self, timeout=15):
        """Waits until every open download moves again (or the time is over: those left are as good
        as broken) and a second has passed without a failed request. Returns the report."""
        started = time.monotonic()
        while True:
            report = self.report()
            waited = time.monotonic() - started
            calm = report["since_failure_ms"] is None or report["since_failure_ms"] > 1000
            if waited >= 1 and calm and report["silent_ms"] < 1000:
                return report
            if waited > timeout:
                return report
            time.sleep(0.1)
