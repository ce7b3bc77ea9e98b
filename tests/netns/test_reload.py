# SPDX-License-Identifier: Apache-2.0
"""A reload that is looked at before, and one that undoes itself."""
import pytest

from vipdlab.netns import wait_for
from vipdlab.scenes import REALS, VIP, Balancer

R1, R2 = REALS["r1"], REALS["r2"]


@pytest.fixture
def scene(lab):
    return Balancer(lab, directors=("d1",))


def without_r2(scene):
    return scene.text("d1", reals=[REALS["r1"]])


def reals(vipd):
    return [real["address"] for real in vipd.status()["services"][0]["reals"]]


def last_reload(vipd):
    return vipd.status()["config"]["last_reload"] or {}


def test_dry_run_tells_and_changes_nothing(scene):
    vipd = scene.directors["d1"]
    before = vipd.status()["config"]
    assert vipd.vipctl("reload", "--dry-run").stdout.startswith("Nothing would change.\n")
    scene.wait_answer()
    vipd.write(without_r2(scene))
    plan = vipd.vipctl_json("reload", "--dry-run")
    (step,) = plan["steps"]
    assert (step["what"], step["object"], step["name"]) == ("change", "virtual_server", f"{VIP}:80/TCP")
    assert step["details"] == [f"real_server {R2}:80 removed; its connections run out"]
    assert plan["open_connections"] >= 1
    text = vipd.vipctl("reload", "--dry-run").stdout
    assert f"~ virtual_server {VIP}:80/TCP\n    real_server {R2}:80 removed" in text
    vipd.write("virtual_server {")
    refused = vipd.vipctl("reload", "--dry-run", check=False)
    assert refused.returncode == 1 and "new error" in refused.stderr
    assert vipd.status()["config"] == before
    assert sorted(reals(vipd)) == sorted([R1, R2])


def test_unconfirmed_reload_goes_back(scene):
    vipd = scene.directors["d1"]
    assert vipd.vipctl("reload", "--confirm", check=False).returncode == 1
    vipd.write(without_r2(scene))
    vipd.vipctl("reload", "--confirm-within", "2s")
    assert reals(vipd) == [R1]
    assert "to be confirmed within" in vipd.vipctl("status").stdout
    # What is refused meanwhile does not end the wait.
    vipd.write("virtual_server {")
    assert vipd.vipctl("reload", check=False).returncode == 1
    wait_for(lambda: sorted(reals(vipd)) == sorted([R1, R2]), 10, "the configuration before")
    assert last_reload(vipd)["ok"] is False
    assert "not confirmed in time" in last_reload(vipd)["reason"]
    assert last_reload(vipd)["confirm_by"] is None
    vipd.wait_real(REALS["r2"], True)


@pytest.mark.parametrize("how", [("--confirm",), ()], ids=["confirm", "reload"])
def test_confirmed_reload_stays(scene, how):
    vipd = scene.directors["d1"]
    vipd.write(without_r2(scene))
    vipd.vipctl("reload", "--confirm-within", "5m")
    assert last_reload(vipd)["confirm_by"]
    vipd.vipctl("reload", *how)
    assert last_reload(vipd)["confirm_by"] is None
    assert vipd.vipctl("reload", "--confirm", check=False).returncode == 1
    assert reals(vipd) == [R1]


def test_several_reloads_go_back_to_the_confirmed_one(scene):
    vipd = scene.directors["d1"]
    for weight in (2, 3):
        vipd.write(scene.text("d1", algo="wrr").replace("weight 1", f"weight {weight}"))
        vipd.vipctl("reload", "--confirm-within", "5m")
    assert vipd.status()["services"][0]["scheduler"] == "wrr"
    vipd.vipctl("reload", "--confirm-within", "1")
    wait_for(lambda: vipd.status()["services"][0]["scheduler"] == "rr", 10, "the first configuration")
