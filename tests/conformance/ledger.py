# SPDX-License-Identifier: Apache-2.0
"""The tables of rules in this folder, and what is wrong with them."""
import glob
import os
import re

FOLDER = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.realpath(os.path.join(FOLDER, "../.."))
NAME = re.compile(r"[A-Z]\w+\.[A-Z]\w+|test_\w+")
RULES = range(1, 33)  # of receive_rules.md
# The sections in which a MUST or a MUST NOT stands, and the numbered steps of the state machines. RFC 9568 is
# told of as RFC 5798 and what differs.
SECTIONS = {
    ("rfc3768.md",): "5.2.2 5.2.3 5.3.2 5.3.4 5.3.6 6.4.1 6.4.2 6.4.3 7.1 7.2 8.1 8.2 8.3 9.2",
    ("rfc5798.md",): "5.1.1.2 5.1.1.3 5.1.2.2 5.1.2.3 5.2.2 5.2.4 5.2.6 5.2.9 6.1 6.4.1 6.4.2 6.4.3 7.1 7.2 "
                     "8.1.2 8.1.3 8.2.2 8.2.3 8.4.2",
    ("rfc5798.md", "rfc9568.md"): "5.2.5 5.2.7 5.2.8 7.4",
    ("rfc5880.md",): "4.1 6.3 6.5 6.6 6.7 6.8.1 6.8.2 6.8.3 6.8.4 6.8.6 6.8.7 6.8.9 6.8.16 6.8.17 7",
}


def tables():
    return sorted(glob.glob(os.path.join(FOLDER, "*.md")))


def rows(text):
    """The cells of each row of a Markdown table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def sections(text):
    """The sections that the rows of a table are of; "5881 4" is another RFC's own."""
    return {word for row in rows(text) for word in row[0].replace(",", " ").removeprefix("5880 ").split()}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def tests(root=ROOT):
    """The names of all tests of the tree."""
    names = set()
    for path in glob.glob(os.path.join(root, "tests/**/*.cpp"), recursive=True):
        found = re.findall(r"^TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", read(path), re.MULTILINE)
        names |= {f"{suite}.{case}" for suite, case in found}
    for path in glob.glob(os.path.join(root, "tests/**/*.py"), recursive=True):
        names |= set(re.findall(r"^def (test_\w+)\(", read(path), re.MULTILINE))
    return names


def complaints(text, known):
    """Of one table: rules without a test, names that no test has."""
    bad = []
    for row in rows(text):
        rule = " ".join(row[:-2])
        if len(row) < 4:
            bad.append(f"{' | '.join(row)}: a row has four cells")
            continue
        positive, negative = row[-2:]
        if positive.startswith("exempt:"):
            if len(positive) < len("exempt: because"):
                bad.append(f"{rule}: an exemption has a reason")
            if not negative:
                continue
            positive = negative
        if positive == negative and not row[-2].startswith("exempt:"):
            bad.append(f"{rule}: the same test on both sides")
        for side in {positive, negative}:
            if not NAME.fullmatch(side):
                bad.append(f"{rule}: '{side}' is no test's name")
            elif side not in known:
                bad.append(f"{rule}: there is no test {side}")
    return bad


def counters(root=ROOT):
    """The names under which adverts are dropped."""
    header = read(os.path.join(root, "vrrp/packet/reject.hpp"))
    return re.findall(r'^\s*X\(\w+,\s*"(\w+)"', header, re.MULTILINE)


def receive_order(text):
    """The counters of receive_rules.md in its order."""
    return [row[1] for row in rows(text) if row[1]]


def numbers(text):
    """The rules of receive_rules.md by number."""
    found = set()
    for row in rows(text):
        found |= {int(n) for n in re.match(r"[\d, ]*", row[0]).group().replace(",", " ").split()}
    return found
