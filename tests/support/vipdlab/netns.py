# SPDX-License-Identifier: Apache-2.0
"""Network namespaces by name, through iproute2.

A namespace is entered for its network only, by setns(CLONE_NEWNET): `ip netns exec` would mount
another /sys over ours and hide the bpffs that vipd pins its maps in.
"""
import contextlib
import ctypes
import json
import os
import subprocess
import time

RUN = "/run/netns"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something the lab needs did not happen; the text says what."""


def run(argv, check=True, timeout=60, **keywords):
    """Runs a command to its end; its output is in the result, or in the error."""
    if "input" not in keywords:
        keywords["stdin"] = subprocess.DEVNULL
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **keywords)
    if check and done.returncode:
        raise LabError(f"'{' '.join(map(str, argv))}' failed with status {done.returncode}: "
                       f"{(done.stderr or done.stdout).strip()}")
    return done


def wait_for(condition, timeout, what, interval=0.02):
    """Polls until condition() is true and returns its value. Never sleep for a state: use this."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"not within {timeout:g} s: {what() if callable(what) else what}")
        time.sleep(interval)


def enter(namespace):
    """The words before a command that make it run in the namespace."""
    return ["nsenter", f"--net={RUN}/{namespace}"]


def exists(namespace):
    return os.path.exists(f"{RUN}/{namespace}")


def names():
    try:
        return sorted(os.listdir(RUN))
    except FileNotFoundError:
        return []


def add(namespace):
    run(["ip", "netns", "add", namespace])
    # No IPv6 here: its own traffic would only stand between the packets that are looked at.
    run(enter(namespace) + ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                            "net.ipv6.conf.default.disable_ipv6=1",
                            "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"])
    ip(namespace, "link set lo up")


def delete(namespace):
    run(["ip", "netns", "del", namespace], check=False)


def pids(namespace):
    """Process ids of all that runs in the namespace."""
    done = run(["ip", "netns", "pids", namespace], check=False)
    return [int(word) for word in done.stdout.split()]


def ip(namespace, words, check=True):
    return run(["ip", "-n", namespace] + words.split(), check=check).stdout


def ip_json(namespace, words):
    text = run(["ip", "-j", "-n", namespace] + words.split()).stdout
    return json.loads(text or "[]")


def sysctl(namespace, **settings):
    """sysctl(ns, net__ipv4__ip_forward=1): two underscores stand for a dot."""
    run(enter(namespace) + ["sysctl", "-qw"]
        + [f"{name.replace('__', '.')}={value}" for name, value in settings.items()])


def addresses(namespace, device=None):
    """Addresses on the device, or on all, of both families."""
    return [a["local"] for link in ip_json(namespace,
                                           f"addr show dev {device}" if device else "addr show")
            for a in link.get("addr_info", [])]


def mac(namespace, device="eth0"):
    return ip_json(namespace, f"link show dev {device}")[0]["address"]


def connect(namespace, device, peer_namespace, peer_device):
    """A veth pair whose checksums are complete: XDP sees packets before anything would fill them in,
    and nothing fills them in behind it."""
    ip(namespace, f"link add {device} type veth peer name {peer_device} netns {peer_namespace}")
    for where, name in ((namespace, device), (peer_namespace, peer_device)):
        run(enter(where) + ["ethtool", "-K", name, "tx", "off", "rx", "off"])
        ip(where, f"link set {name} up")


def attach_xdp(namespace, device, path):
    """Attaches the program of an object file, native; it goes with the device."""
    ip(namespace, f"link set dev {device} xdpdrv obj {path} sec xdp")


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the namespace for as long as the block lasts; sockets opened stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"{RUN}/{namespace}", os.O_RDONLY)
    try:
        _setns(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(there)
        os.close(home)
