# SPDX-License-Identifier: Apache-2.0
"""What both demos share: the way to the lab library, printing, and one demo at a time."""
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../tests/support"))

from vipdlab import lab as laboratory  # noqa: E402  (the path had to be set first)

_began = time.monotonic()
KIND = "demo"


def say(text):
    print(f"[{time.monotonic() - _began:6.1f} s] {text}", flush=True)


def title(text):
    print(f"\n{text}", flush=True)


def only_one():
    """Two demos would take one another's pins: the second one waits no longer than this line."""
    lock = laboratory.lock(KIND)
    if lock is None:
        sys.exit("another tools/demo is running on this machine")
    return lock


def show_logs(lab, lines=12):
    """After a failure the logs go with the lab: show their ends now."""
    for process in lab.processes:
        if process.log().strip():
            print(process.tail(lines), file=sys.stderr)


def table(header, rows):
    widths = [max(len(str(row[i])) for row in [header] + rows) for i in range(len(header))]
    for number, row in enumerate([header] + rows):
        cells = [str(cell).ljust(width) if i == 0 else str(cell).rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
