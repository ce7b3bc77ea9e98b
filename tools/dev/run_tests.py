# SPDX-License-Identifier: Apache-2.0
"""Runs ctest and pytest, looks for what the tests left behind, and adds everything up.

    run_tests.py PRESET [PART...]      called by tools/test after the build

The counts come from the JUnit files that both write; a part that ends without one, with none in it,
or with a status that they do not explain has failed. The last line is always the sum."""
import collections
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/support"))

from vipdlab import lab as laboratory  # noqa: E402  (the path had to be set first)

COMPILED = {"unit": "unit_", "prog": "prog_", "compat": "compat_", "include": "dev/",
            "fuzz": "fuzz/"}  # ctest names
SCENARIOS = ("netns", "interop", "demo")
ASKED_FOR = ("vm",)  # not among the default ones


class Totals:
    def __init__(self):
        self.passed = 0
        self.failed = []   # names
        self.skipped = []  # (name, reason)

    def add(self, path, what, status):
        """Counts the cases of a JUnit file, written by a program that ended with this status."""
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError) as error:
            self.failed.append(f"{what}: no result ({error})")
            return
        if not cases:
            self.failed.append(f"{what}: there is nothing to run")
        failed = len(self.failed)
        for case in cases:
            name = "::".join(dict.fromkeys([case.get("classname") or "", case.get("name") or ""]))
            skipped = case.find("skipped")
            # ctest: a test whose program is missing is "notrun" like a skipped one, and no skip.
            ran = case.get("status") in (None, "run") or (
                skipped is not None and "SKIP_" in (skipped.get("message") or ""))
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append(name)
            elif skipped is not None and ran:
                self.skipped.append((name, reason(case, skipped)))
            elif skipped is not None or not ran:
                self.failed.append(f"{name}: not run ({case.get('status')})")
            else:
                self.passed += 1
        # Both end with a status of their own when a test has failed: 8 (ctest), 1 (pytest).
        if status not in (0, 1, 8) or (status and len(self.failed) == failed):
            self.failed.append(f"{what}: ended with status {status}")


def reason(case, skipped):
    """Why it was skipped: pytest says so in the element, GoogleTest in its output."""
    message = skipped.get("message") or ""
    if "SKIP_" not in message:
        return message
    lines = (case.findtext("system-out") or "").splitlines()
    said = [line.strip() for line in lines
            if line.strip() and not line.startswith(("[", "Running", "Note:"))
            and not line.strip().endswith(("Skipped", "Failure"))]
    return said[0] if said else message


def run_to_end(argv, **keywords):
    """Runs a program to its end. A signal to us is for it to tidy up after: we go on waiting."""
    child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **keywords)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt as interrupt:
            if interrupt.args != ("SIGINT",):  # Ctrl-C has reached it as it has us
                child.send_signal(signal.SIGTERM)


def run_ctest(build, junit, parts):
    argv = ["ctest", "--test-dir", build, "--output-on-failure", "--timeout", "180",
            "-j", str(os.cpu_count() or 1), "--output-junit", junit]
    if sys.stdout.isatty():
        argv.append("--progress")
    if parts:
        argv += ["-R", "^(" + "|".join(COMPILED[part] for part in parts) + ")"]
    return run_to_end(argv)


def run_pytest(build, junit, parts):
    environment = dict(os.environ, VIPD_BUILD=build, PYTHONDONTWRITEBYTECODE="1")
    # Problems that only a sanitizer sees end the daemon, and the scenario that runs it.
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=0:exitcode=99")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    folders = [os.path.join(ROOT, "tests", part) for part in parts]
    return run_to_end(["/usr/bin/python3", "-B", "-m", "pytest", "-v", f"--junitxml={junit}",
                       *folders], env=environment, cwd=ROOT)


def traces(build):
    """What is there of our making: namespaces, temporary folders, pins, processes."""
    found = set()
    for kind in ("test", "demo"):
        spaces, folders = laboratory.remains(kind)
        found.update(f"namespace {name}" for name in spaces)
        found.update(f"folder {name}" for name in folders)
    if os.path.isdir(laboratory.PINS):
        found.add(f"folder {laboratory.PINS}")
    for top in (laboratory.PINS, laboratory.RUNTIME):
        if os.path.isdir(top):
            found.update(f"{top}/{name}" for name in os.listdir(top))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if program.startswith(os.path.join(build, "bin/")):
            found.add(f"process {pid} {program}")
    return found


def run_jobs(jobs, build, totals):
    before = traces(build)
    for name, run, chosen in jobs:
        junit = os.path.join(build, f"{name}.junit.xml")
        if os.path.exists(junit):
            os.unlink(junit)
        totals.add(junit, name, run(build, junit, chosen))
    left = sorted(traces(build) - before)
    if left:
        totals.failed.append("the tests leave nothing behind: " + ", ".join(left))
    else:
        totals.passed += 1


def main():
    preset, parts = sys.argv[1], sys.argv[2:]
    build = os.path.realpath(os.environ.get("VIPD_BUILD") or os.path.join(
        ROOT, "build" if preset == "release" else f"build/{preset}"))
    compiled = [part for part in parts if part in COMPILED]
    scenarios = [part for part in parts if part in SCENARIOS + ASKED_FOR] if parts else list(SCENARIOS)
    jobs = []
    if compiled or not parts:
        jobs.append(("ctest", run_ctest, compiled))
    if scenarios:
        jobs.append(("pytest", run_pytest, scenarios))

    began = time.monotonic()
    totals = Totals()
    laboratory.interruptible()
    try:
        run_jobs(jobs, build, totals)
    except (Exception, KeyboardInterrupt) as error:  # the sum is owed in any case
        totals.failed.append(f"the tests were not run to their end: {type(error).__name__} {error}")

    print()
    why = collections.Counter(text for _, text in totals.skipped)
    for text, count in why.most_common():
        print(f"skipped ({count}): {text}")
    for name in totals.failed:
        print(f"FAILED: {name}")
    print(f"took {time.monotonic() - began:.0f} s; logs of scenarios: "
          f"{os.path.relpath(build, ROOT)}/test-logs")
    print(f"{totals.passed} passed, {len(totals.failed)} failed, {len(totals.skipped)} skipped")
    return 1 if totals.failed else 0


if __name__ == "__main__":
    sys.exit(main())
