# SPDX-License-Identifier: Apache-2.0
"""vipadm against a running vipd: what it changes is what is forwarded."""
import pytest

from vipdlab.lab import build_path
from vipdlab.netns import wait_for
from vipdlab.scenes import CLIENT, REALS, VIP, Balancer

SERVICE = ["-t", f"{VIP}:80"]
R1, R2 = REALS["r1"], REALS["r2"]


class Admin:
    def __init__(self, vipd):
        self.vipd = vipd

    def __call__(self, *words, status=0, stdin=""):
        done = self.vipd.node.cmd([build_path("bin/vipadm"), f"--socket={self.vipd.socket}", *words],
                                  check=False, input=stdin)
        assert done.returncode == status, f"{words}: {done.returncode} {done.stderr}"
        return done.stdout if status == 0 else done.stderr.rstrip("\n")


@pytest.fixture
def scene(lab):
    made = Balancer(lab, directors=("d1",))
    made.admin = Admin(made.directors["d1"])
    return made


def answers(scene, wanted):
    """Waits until these servers, all of them and no other, answer."""
    def so():
        seen = {scene.get(check=False) for _ in range(6)}
        return seen == set(wanted)

    wait_for(so, 15, lambda: f"answers of {wanted}:\n{scene.admin('-Ln')}")


def test_weights_servers_and_services(scene):
    admin = scene.admin
    listed = admin("-Ln")
    assert f"TCP  {VIP}:80 rr\n" in listed
    assert f"  -> {R1}:80".ljust(33) + " Route   1      " in listed
    saved = admin("-Sn")
    assert saved == (f"-A -t {VIP}:80 -s rr\n-a -t {VIP}:80 -r {R1}:80 -g -w 1\n"
                     f"-a -t {VIP}:80 -r {R2}:80 -g -w 1\n")

    admin("-e", *SERVICE, "-r", R1, "-g", "-w", "0")
    answers(scene, ["r2"])
    scene.directors["d1"].vipctl("reload")
    answers(scene, ["r2"])  # across a reload
    admin("-e", *SERVICE, "-r", R1, "-g", "-w", "1")
    answers(scene, ["r1", "r2"])
    admin("-d", *SERVICE, "-r", R2)
    answers(scene, ["r1"])
    admin("-C")
    assert admin("-Sn") == ""
    admin("-R", stdin=saved)
    assert admin("-Sn") == saved
    answers(scene, ["r1", "r2"])
    real = scene.directors["d1"].real(R1)
    assert real["live"] is True
    admin("-R", stdin=saved)  # a second time: what is there is passed over
    assert admin("-Sn") == saved


def test_counters_connections_and_timeouts(scene):
    admin = scene.admin
    assert scene.get() in ("r1", "r2")
    line = wait_for(lambda: [l for l in admin("-Ln", "--stats").splitlines()
                             if l.startswith("TCP") and l.split()[2] != "0"], 10, "counters")[0]
    assert int(line.split()[3]) >= 3
    entries = admin("-Lnc").splitlines()
    assert entries[0] == "IPVS connection entries"
    assert any(f"{CLIENT}:" in e and f"{VIP}:80" in e for e in entries[2:]), entries
    before = scene.directors["d1"].status()["services"][0]["counters"]["packets"]
    admin("-Z")
    zeroed = next(l for l in admin("-Ln", "--stats").splitlines() if l.startswith("TCP"))
    assert int(zeroed.split()[3]) < before
    assert scene.directors["d1"].status()["services"][0]["counters"]["packets"] >= before
    assert admin("-L", "--timeout") == "Timeout (tcp tcpfin udp): 900 120 300\n"
    admin("--set", "1800", "0", "30")
    assert admin("-L", "--timeout") == "Timeout (tcp tcpfin udp): 1800 120 30\n"


def test_what_is_refused_is_refused_as_ipvs_does(scene):
    admin = scene.admin
    table = admin("-Sn")
    for status, said, words in (
            (255, "Service already exists", ["-A", *SERVICE, "-s", "rr"]),
            (255, "Destination already exists", ["-a", *SERVICE, "-r", R1]),
            (255, "Service not defined", ["-a", "-t", "203.0.113.99:80", "-r", R1]),
            (255, "No such service", ["-E", "-t", "203.0.113.99:80", "-s", "rr"]),
            (255, "No such service", ["-D", "-t", "203.0.113.99:80"]),
            (255, "No such destination", ["-d", *SERVICE, "-r", "198.51.100.99"]),
            (255, "No such destination", ["-e", *SERVICE, "-r", "198.51.100.99"]),
            (255, "Service not defined", ["-d", "-t", "203.0.113.99:80", "-r", R1]),
            (255, "Scheduler or persistence engine not found",
             ["-A", "-t", "203.0.113.2:80", "-s", "nosuch"]),
            (255, "Numerical result out of range",
             ["-e", *SERVICE, "-r", R1, "-g", "-x", "5", "-y", "10"]),
            (255, "No such service", ["-Z", "-t", "203.0.113.99:80"]),
            (1, "No such service", ["-Ln", "-t", "203.0.113.99:80"]),
            (2, "Zero port specified for non-persistent service", ["-A", "-t", "203.0.113.2"])):
        assert admin(*words, status=status) == said, words
    assert admin("-Sn") == table
