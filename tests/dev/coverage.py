#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""coverage.py: runs a program compiled with gcc's --coverage and says which lines and branches of the
sources it has not reached.

    coverage.py --gcov GCOV --root TREE --objects FOLDER --lines N --branches N PROGRAM SOURCES...

SOURCES are folders of the tree; each of their files has to reach the percentages. Branches that the
compiler makes for exceptions (a destructor on the way out of a call that could throw) are not counted:
gcov marks them."""
import argparse
import collections
import glob
import json
import os
import subprocess
import sys
import tempfile


def collect(gcov, objects, root, program):
    """Of each source file: {line: count} and {(line, index): count} of its branches."""
    data = glob.glob(os.path.join(objects, "**/*.gcda"), recursive=True)
    for path in data:
        os.unlink(path)
    done = subprocess.run([program, "--gtest_brief=1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{program}: ended with status {done.returncode}")
    data = glob.glob(os.path.join(objects, "**/*.gcda"), recursive=True)
    with tempfile.TemporaryDirectory() as empty:
        text = subprocess.run([gcov, "--json-format", "--stdout", "--branch-probabilities",
                               *map(os.path.abspath, data)],
                              stdout=subprocess.PIPE, check=True, text=True, cwd=empty).stdout
    lines = collections.defaultdict(collections.Counter)
    branches = collections.defaultdict(collections.Counter)
    for unit in filter(None, text.splitlines()):
        unit = json.loads(unit)
        for file in unit["files"]:
            path = os.path.normpath(os.path.join(unit["current_working_directory"], file["file"]))
            path = os.path.relpath(os.path.realpath(path), root)
            # A function of a header stands in several units, a template as often as it is made:
            # what one of them reaches is reached.
            seen = collections.Counter()
            for line in file["lines"]:
                number = line["line_number"]
                lines[path][number] += line["count"]
                for branch in line["branches"]:
                    if not branch["throw"]:
                        branches[path][number, seen[number, line.get("function_name")]] += branch["count"]
                        seen[number, line.get("function_name")] += 1
    return lines, branches


def percent(counts):
    return 100.0 * sum(count > 0 for count in counts.values()) / len(counts) if counts else 100.0


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--gcov", default="gcov")
    options.add_argument("--root", required=True)
    options.add_argument("--objects", required=True)
    options.add_argument("--lines", type=float, required=True)
    options.add_argument("--branches", type=float, required=True)
    options.add_argument("program")
    options.add_argument("sources", nargs="+")
    args = options.parse_args()
    root = os.path.realpath(args.root)
    lines, branches = collect(args.gcov, args.objects, root, args.program)

    bad = 0
    wanted = sorted(path for path in lines if path.startswith(tuple(f"{s}/" for s in args.sources)))
    for folder in args.sources:
        for path in glob.glob(os.path.join(root, folder, "*.cpp")):
            if os.path.relpath(path, root) not in wanted:
                bad += 1
                print(f"{os.path.relpath(path, root)}: nothing of it has run")
    print(f"{'file':<32} {'lines':>14} {'branches':>16}")
    for path in wanted:
        of_lines, of_branches = percent(lines[path]), percent(branches[path])
        print(f"{path:<32} {len(lines[path]):>6} {of_lines:>6.1f}% {len(branches[path]):>8} {of_branches:>6.1f}%")
        missing = sorted(n for n, count in lines[path].items() if count == 0)
        if missing:
            print(f"    lines not reached: {', '.join(map(str, missing))}")
        one_way = sorted({n for (n, _), count in branches[path].items() if count == 0} - set(missing))
        if one_way:
            print(f"    one way only: {', '.join(map(str, one_way))}")
        bad += of_lines < args.lines or of_branches < args.branches
    if bad:
        sys.exit(f"{bad} files below {args.lines:g} % of lines, {args.branches:g} % of branches")


if __name__ == "__main__":
    main()
