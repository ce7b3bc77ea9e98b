# SPDX-License-Identifier: Apache-2.0
"""keepalived's verdict on each file of its maintainer's test set, and vipd's.

The corpus is not part of this repository: VIPD_CORPUS names its folder, or it lies beside the checkout.
N.conf is a file, golden/N.rc and N@ID.rc what `keepalived -t [-i ID]` of 2.2.7 exited with."""
import collections
import json
import os
import re

import pytest

from vipdlab.lab import ROOT, build_path

CORPUS = os.environ.get("VIPD_CORPUS") or os.path.join(ROOT, "../shared/corpus")
LINKS = ("eth1", "eth2", "eth3", "ens33", "ens32", "ens192", "enp0s3", "bond0")
NAMESPACES = "low high medium ipvs_low ipvs_high netns1 netns3 test test1 VRF1 samson corpus1 vrf1".split()
# Of all runs, in percent; to be raised with what is reached, never lowered.
FLOOR = 98.0

# In a mount namespace of its own, for the names of network namespaces.
JUDGE = """
import json, os, re, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
vipd, corpus, namespaces = json.loads(sys.argv[1])
def run(*words):
    subprocess.run(words, check=True)
run("mount", "--make-rprivate", "/")
run("mount", "-t", "tmpfs", "none", "/run/netns")
for name in namespaces:
    open("/run/netns/" + name, "w").close()
    run("mount", "--bind", "/proc/self/ns/net", "/run/netns/" + name)
run("hostname", "corpus1")
os.chdir(corpus)
def judge(name):
    match = re.fullmatch(r"(\\d+)(?:@(.+))?\\.rc", name)
    words = ["-i", match[2]] if match[2] else []
    done = subprocess.run([vipd, "-t", "-f", match[1] + ".conf", *words], capture_output=True)
    return name[:-3], int(open("golden/" + name).read()), done.returncode
names = sorted(name for name in os.listdir("golden") if name.endswith(".rc"))
with ThreadPoolExecutor(2) as pool:
    print(json.dumps(list(pool.map(judge, names))))
"""


def verdict(status):
    """clean, used with complaints, script security. What stopped keepalived, or was its own bug,
    is a complaint."""
    return status if status in (0, 6) else 5


def explained():
    """The files that docs/COMPATIBILITY.md gives a reason for: "1079 1767 to 1772" is seven."""
    with open(f"{ROOT}/docs/COMPATIBILITY.md", encoding="utf-8") as file:
        table = file.read().split("## Where the verdicts differ")[1]
    files = set()
    for first, last in re.findall(r"\b(\d{4})(?: to (\d{4}))?\b(?=[\d to]*\|)", table):
        files |= set(range(int(first), int(last or first) + 1))
    return files


def test_vipd_judges_the_corpus_as_keepalived_does(lab, figure):
    if not os.path.isdir(f"{CORPUS}/golden"):
        pytest.skip("no corpus of configuration files: set VIPD_CORPUS")
    node = lab.node("host", "10.20.0.1/24")
    for number, link in enumerate(LINKS, 1):
        node.ip(f"link add {link} type veth peer name p-{link}")
        node.ip(f"link set p-{link} up")
        node.ip(f"link set {link} up")
        node.ip(f"addr add 10.20.{number}.1/24 dev {link}")
    told = json.dumps([build_path("bin/vipd"), CORPUS, NAMESPACES])
    done = node.cmd(["unshare", "--mount", "--uts", "/usr/bin/python3", "-c", JUDGE, told], timeout=300)
    judged = [(name, verdict(theirs), verdict(ours)) for name, theirs, ours in json.loads(done.stdout)]
    assert len(judged) > 1000
    differences = [one for one in judged if one[1] != one[2]]
    share = 100 * (1 - len(differences) / len(judged))
    figure("runs", len(judged))
    figure("same_verdict_percent", round(share, 2))
    kinds = collections.Counter(f"{theirs} there, {ours} here" for _, theirs, ours in differences)
    listing = "\n".join(f"{name}: {theirs} there, {ours} here" for name, theirs, ours in differences)
    assert share >= FLOOR, f"{share:.2f} %: {dict(kinds)}\n{listing}"
    assert not {int(name.split("@")[0]) for name, _, _ in differences} - explained()
