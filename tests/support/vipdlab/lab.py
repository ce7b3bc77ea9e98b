# SPDX-License-Identifier: Apache-2.0
"""Lab: a switch with nodes around it, and everything that was made for them in one place.

Whatever happens, leaving the `with` block ends all processes in the lab's namespaces and removes
the namespaces, pins, run-time folders and temporary files. Names carry the kind of lab and the
maker's pid, so that remains of a killed run are known for what they are: clean() removes them.
"""
import atexit
import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import netns
from .netns import LabError, wait_for

BPFFS = "/sys/fs/bpf"
PINS = BPFFS + "/vipd"
RUNTIME = "/run/vipd"
ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("VIPD_BUILD", os.path.join(ROOT, "build"))


def build_path(*parts):
    path = os.path.join(BUILD, *parts)
    if not os.path.exists(path):
        raise LabError(f"{path} is not there: build first (tools/dev/build)")
    return path


def mount_bpffs():
    with open("/proc/mounts", encoding="ascii", errors="replace") as mounts:
        if any(line.split()[1:3] == [BPFFS, "bpf"] for line in mounts):
            return
    os.makedirs(BPFFS, exist_ok=True)
    netns.run(["mount", "-t", "bpf", "bpf", BPFFS])


def _end(pids, grace):
    """SIGTERM, after `grace` seconds SIGKILL; returns when all are gone."""
    def alive():
        return [p for p in pids if _running(p)]

    for sig, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5)):
        if seconds <= 0:
            continue
        for pid in alive():
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass
        end = time.monotonic() + seconds
        while alive() and time.monotonic() < end:
            time.sleep(0.02)


def _running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _remove_instance(instance):
    """What a vipd leaves that was killed before it could tidy up: pins and run-time folder."""
    for top in (PINS, RUNTIME):
        shutil.rmtree(os.path.join(top, instance), ignore_errors=True)
    with contextlib.suppress(OSError):  # it is not empty: there is another vipd
        os.rmdir(PINS)


def lock(kind):
    """Where only one lab of a kind can be: a descriptor that holds the right to it while it is open,
    or None if another process has it."""
    held = os.open(f"/run/vipd-{kind}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    return held


def kept(kind):
    """Folders of labs that were left up on purpose."""
    return [folder for folder in remains(kind)[1] if os.path.exists(f"{folder}/kept")]


def remains(kind):
    """(namespaces, temporary folders) with the names of this kind of lab, whoever made them."""
    pattern = re.compile(rf"vipd-{kind}-.*-(\d+)$")
    spaces = [name for name in netns.names() if pattern.match(name)]
    folders = [os.path.join("/tmp", name) for name in os.listdir("/tmp")
               if re.match(rf"vipd-{kind}-\d+-", name)]
    return spaces, folders


def clean(kind, instances=(), dead_only=True):
    """Removes what earlier runs left behind (dead_only: those whose maker is gone)."""
    spaces, folders = remains(kind)

    def ours(name, pattern):
        return not dead_only or not _running(int(re.search(pattern, name).group(1)))

    spaces = [name for name in spaces if ours(name, r"-(\d+)$")]
    folders = [name for name in folders if ours(name, rf"vipd-{kind}-(\d+)-")]
    _end([pid for name in spaces for pid in netns.pids(name)], 0)
    for name in spaces:
        netns.delete(name)
    for folder in folders:
        try:
            with open(os.path.join(folder, "instances"), encoding="ascii") as listed:
                instances = list(instances) + listed.read().split()
        except OSError:
            pass
        shutil.rmtree(folder, ignore_errors=True)
    for instance in instances:
        _remove_instance(instance)
    return spaces + folders


class Process:
    """A process in a node's namespace whose output goes to a log file."""

    def __init__(self, name, argv, log, **keywords):
        self.name = name
        self.log_path = log
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(argv, stdout=keywords.pop("stdout", output),
                                          stdin=keywords.pop("stdin", subprocess.DEVNULL),
                                          stderr=output, start_new_session=True, **keywords)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as text:
            return text.read()

    def tail(self, lines=15):
        return "\n".join(f"  {self.name}| {line}" for line in self.log().splitlines()[-lines:])

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, timeout=10):
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name} does not end (pid {self.pid})") from None

    def family(self):
        """Its pid and those of its descendants, parents first."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                        fields = stat.read().rpartition(")")[2].split()
                except OSError:
                    continue
                if fields[0] not in "ZX":
                    parents[int(entry)] = int(fields[1])
        found = [self.pid] if self.running() else []
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def kill_all(self):
        """SIGKILL to it and all its descendants, as when a machine's power goes: all are frozen
        first, so that none can act on the death of another."""
        family = self.family()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in family:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
        self.wait()
        wait_for(lambda: not any(map(_running, family)), 5, f"the end of {self.name}")

    def stop(self, grace=5):
        if self.running():
            self.popen.terminate()
            try:
                self.popen.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill_all()
        return self.popen.returncode


class Node:
    """A namespace with eth0 on the switch."""

    def __init__(self, lab, role, address=None):
        self.lab = lab
        self.role = role
        self.ns = lab.namespace(role)
        self.address = address

    def cmd(self, argv, check=True, timeout=60, **keywords):
        if isinstance(argv, str):
            argv = argv.split()
        return netns.run(netns.enter(self.ns) + argv, check=check, timeout=timeout, **keywords)

    def ip(self, words, check=True):
        return netns.ip(self.ns, words, check)

    @property
    def mac(self):
        return netns.mac(self.ns)

    def addresses(self):
        return netns.addresses(self.ns)

    def has(self, address):
        return address in self.addresses()

    def start(self, name, argv, **keywords):
        return self.lab.start(name, netns.enter(self.ns) + argv, **keywords)

    def link(self, up):
        """Plugs the cable at the switch in or out: the node sees its carrier come or go."""
        netns.ip(self.lab.switch, f"link set p-{self.role} {'up' if up else 'down'}")

    def sysctl(self, **settings):
        netns.sysctl(self.ns, **settings)

    def inside(self):
        return netns.inside(self.ns)

    def folder(self):
        path = os.path.join(self.lab.folder, self.role)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder(), name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path


class Lab:
    """with Lab("test") as lab: node = lab.node("client", "10.77.0.10/24") ..."""

    def __init__(self, kind, log_folder=None):
        self.kind = kind
        self.keep = False
        self.nodes = {}
        self.processes = []
        self.instances = []
        self._closers = []
        self._spaces = []
        self._closed = False
        if os.geteuid():
            raise LabError("namespaces need root: run this with sudo")
        clean(kind)
        mount_bpffs()
        with in_one_piece():
            self.folder = tempfile.mkdtemp(prefix=f"vipd-{kind}-{os.getpid()}-", dir="/tmp")
            atexit.register(self.close)
        os.chmod(self.folder, 0o755)
        self.log_folder = log_folder or os.path.join(self.folder, "log")
        os.makedirs(self.log_folder, exist_ok=True)
        self.switch = self.namespace("switch")
        netns.ip(self.switch, "link add br0 type bridge mcast_snooping 0 forward_delay 0")
        netns.ip(self.switch, "link set br0 up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def namespace(self, role):
        name = f"vipd-{self.kind}-{role}-{os.getpid()}"
        if name not in self._spaces:
            with in_one_piece():
                self._spaces.append(name)
                netns.add(name)
        return name

    def node(self, role, address=None, xdp=False):
        """A namespace with eth0 at the switch; `address` with its prefix length. `xdp`: its XDP
        program will send packets, for which veth wants NAPI at the other end. A program there that
        passes everything brings it. (So does GRO, on paper: on Linux 6.18 the queue then stands
        still for good after a few hundred packets.)"""
        node = Node(self, role, address.split("/")[0] if address else None)
        netns.connect(self.switch, f"p-{role}", node.ns, "eth0")
        if xdp:
            netns.attach_xdp(self.switch, f"p-{role}", build_path("bpf/vipd_pass.bpf.o"))
        netns.ip(self.switch, f"link set p-{role} master br0")
        if address:
            node.ip(f"addr add {address} dev eth0")
        self.nodes[role] = node
        return node

    def start(self, name, argv, **keywords):
        log = os.path.join(self.log_folder, f"{name}.log")
        with in_one_piece():
            process = Process(name, argv, log, **keywords)
            self.processes.append(process)
        return process

    def leave_up(self):
        """The lab outlives us, and is marked as one that somebody wants to look at."""
        with open(os.path.join(self.folder, "kept"), "w", encoding="ascii"):
            self.keep = True

    def instance(self, name):
        """Notes the name of a vipd instance, so that its pins are removed at the end."""
        if name not in self.instances:
            self.instances.append(name)
            with open(os.path.join(self.folder, "instances"), "w", encoding="ascii") as listed:
                listed.write("\n".join(self.instances))
        return name

    def on_close(self, function):
        self._closers.append(function)

    def close(self):
        if self._closed or self.keep:
            return
        # First of all: a second Ctrl-C must not stop the tidying up half way.
        previous = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                previous[number] = signal.signal(number, signal.SIG_IGN)
        except ValueError:
            pass  # not the main thread
        self._closed = True
        atexit.unregister(self.close)
        try:
            self._tidy()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _tidy(self):
        """Every step is taken, whatever became of those before it; then the first failure is told."""
        failures = []

        def step(function, *arguments):
            try:
                return function(*arguments)
            except Exception as error:  # whatever it is, the rest has to go too
                failures.append(error)
                return None

        def ends(process):
            if process.running():
                process.popen.kill()
            process.wait()

        for function in reversed(self._closers):
            step(function)
        for process in self.processes:
            step(process.signal, signal.SIGTERM)
        spaces = [name for name in self._spaces if netns.exists(name)]
        inside = [pid for name in spaces for pid in step(netns.pids, name) or []]
        step(_end, inside, 3)
        for process in self.processes:
            step(ends, process)
        for name in spaces:
            step(netns.delete, name)
        for instance in self.instances:
            step(_remove_instance, instance)
        step(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        if failures:
            raise failures[0]


class _Interrupts:
    """What a signal does to us: at once, or at the end of the blocks that must not be torn apart."""
    holds = 0
    pending = None


def interruptible():
    """Turns SIGTERM and SIGHUP into the exception that Ctrl-C is, so that `with` blocks end."""
    def interrupt(number, _frame):
        if _Interrupts.holds:
            _Interrupts.pending = number
        else:
            raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


@contextlib.contextmanager
def in_one_piece():
    """An interrupt within waits for the end of the block. For what makes something and notes it for
    the tidying up: a child that was forked but not yet noted would do its work after that."""
    _Interrupts.holds += 1
    try:
        yield
    finally:
        _Interrupts.holds -= 1
        if not _Interrupts.holds and _Interrupts.pending is not None:
            number, _Interrupts.pending = _Interrupts.pending, None
            raise KeyboardInterrupt(signal.Signals(number).name)
