# SPDX-License-Identifier: Apache-2.0
"""vipd with what this host's kernel may not have, as IPVS and ipvlan: in a machine under a stock
Debian kernel. By hand, or by `tools/test vm`; about two minutes."""
import json
import os
import shutil
import subprocess

import pytest

from vipdlab.lab import BUILD

HERE = os.path.dirname(os.path.realpath(__file__))
NEEDED = ("qemu-system-x86_64", "busybox", "cpio", "depmod", "apt-get")

missing = [program for program in NEEDED if not shutil.which(program)]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"no {', '.join(missing)}: sudo tools/dev/packages vm")


without_ipvsadm = pytest.mark.skipif(
    not shutil.which("ipvsadm"), reason="no ipvsadm: sudo tools/dev/packages vm")


def in_machine(folder, script):
    """Runs the script in the machine; its result."""
    out = str(folder)
    done = subprocess.run([os.path.join(HERE, "machine"), out, "/usr/bin/python3", "-B",
                           os.path.join(HERE, script), "/out/result.json", BUILD],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if "no kernel" in done.stderr:
        pytest.skip(done.stderr.strip())
    log = ""
    for name in ("console", "log"):
        path = os.path.join(out, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                log += f"--- {name}\n{file.read()[-6000:]}"
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}\n{log}"
    with open(os.path.join(out, "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    assert "error" not in result, f"{result['error']}\n{log}"
    return result


@without_ipvsadm
def test_connections_go_from_ipvs_to_vipd_and_back(tmp_path, figure):
    result = in_machine(tmp_path, "ipvs_to_vipd_and_back.py")
    for name, value in result.items():
        figure(name, value)
    assert result["broken_at_ipvs"] == 0
    assert result["ipvs_connections"] == 100
    assert result["broken_at_vipd"] == 0
    assert result["vipd_connections"] == 150
    assert result["broken_back_at_ipvs"] == 0
    assert result["open_at_the_end"] == 150


def test_routers_with_use_ipvlan_elect(tmp_path):
    assert in_machine(tmp_path, "ipvlan.py") == {
        "device": ["vrrp.51"], "mode": "l2", "addresses": ["10.77.0.100", "10.77.0.61"],
        "left": [], "back": True}
