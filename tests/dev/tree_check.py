# SPDX-License-Identifier: Apache-2.0
"""Rules that the source tree as a whole keeps; each function returns a list of complaints.

The include rules are the design's "who may include whom" (docs/ARCHITECTURE.md): an #include line
is an arrow from one folder to another, and only the arrows listed here may be drawn.
"""
import os
import re

SOURCES = (".c", ".h", ".cpp", ".hpp")
SKIPPED = {".git", "build", "__pycache__", ".cache", ".pytest_cache"}

# Pure: values in, values out. They see the values of base and nothing that owns a descriptor.
PURE = {"sched", "config", "model", "vrrp/packet", "vrrp/auth", "vrrp/fsm"}
PURE_BASE = {"text.hpp"}
PURE_FORBIDDEN = re.compile(r"(unistd|fcntl|netdb)\.h|sys/(?!types\.h).*|spdlog/.*")

VRRP = {"vrrp/packet", "vrrp/auth", "vrrp/fsm", "vrrp/sync_group",
        "vrrp/track", "vrrp/transport", "vrrp/engine", "vrrp/bfd"}
BELOW_CONTROL = {"base", "net", "config", "sched", "model", "dataplane", "sync", "check"} | VRRP

# Folder -> folders that it may include; itself is always allowed, "include" everywhere but in bpf.
ARROWS = {
    "bpf": {"abi"},
    "abi": set(),
    "include": set(),
    "base": set(),
    "net": {"base"},
    "sched": {"base", "model", "abi"},
    "config": {"base"},
    "model": {"base"},
    "dataplane": {"base", "model", "sched", "abi"},
    "check": {"base"},
    "vrrp/packet": {"base"},
    "vrrp/auth": {"base", "vrrp/packet"},
    "vrrp/fsm": {"base", "vrrp/packet", "vrrp/auth"},
    "vrrp/sync_group": {"base", "vrrp/packet", "vrrp/auth", "vrrp/fsm"},
    "vrrp/bfd": {"base"},
    "vrrp/track": {"base"} | VRRP,
    "vrrp/transport": {"base"} | VRRP,
    "vrrp/engine": {"base"} | VRRP,
    "sync": {"base", "dataplane", "model"},
    "control": BELOW_CONTROL,
    # What control hands out are values of the folders below it.
    "api": {"control", "base", "model", "dataplane"},
    "daemon": BELOW_CONTROL | {"control", "api", "abi"},
    "tools": {"base", "model"},
}
# The only header of a folder that these may see.
INTERFACE = {("sync", "dataplane"): "dataplane.hpp", ("api", "dataplane"): "dataplane.hpp"}
# Libraries that stand behind one folder's interface.
LIBRARIES = [
    (re.compile(r"bpf/.*|.*\.skel\.h"), {"dataplane", "bpf"}, "libbpf"),
    (re.compile(r"netlink/.*"), {"net"}, "libnl"),
    (re.compile(r"curl/.*"), {"check"}, "libcurl"),
    (re.compile(r"pcre2\.h"), {"check"}, "PCRE2"),
    (re.compile(r"openssl/.*"), {"check", "sync", "vrrp/packet"}, "OpenSSL"),
    (re.compile(r"systemd/sd-event\.h"), {"base"}, "sd-event"),
    (re.compile(r"httplib\.h"), {"api", "tools"}, "cpp-httplib"),
]
STD_OR_EXPECTED = re.compile(r"[a-z_0-9]+|tl/expected\.hpp")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def files(root):
    """All files of the tree by path relative to it, less what builds and tools leave behind."""
    for folder, names, found in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED and not n.startswith("cmake-build"))
        for name in sorted(found):
            yield os.path.relpath(os.path.join(folder, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def sources(root):
    return [p for p in files(root) if p.endswith(SOURCES)]


def folder_of(path):
    """The name that ARROWS has for the folder of a source; None for tests (they see everything)."""
    parts = path.split("/")
    if path.startswith("include/vipd/abi/"):
        return "abi"
    if parts[0] in ("include", "bpf", "tools"):
        return parts[0]
    if parts[0] == "userspace":
        return parts[1]
    if parts[0] == "vrrp":
        return "/".join(parts[:2])
    return None


def resolve(root, path, name):
    """The path within the tree that an #include names, or None if it is none of ours."""
    for base in (os.path.dirname(path), "", "include"):
        candidate = os.path.normpath(os.path.join(base, name))
        if os.path.isfile(os.path.join(root, candidate)):
            return candidate
    # Ours by its name although the file is not there (yet): still an arrow.
    return name if name.startswith(("userspace/", "vrrp/")) else None


def includes(root, path):
    for kind, name in INCLUDE.findall(read(root, path)):
        yield kind, name, resolve(root, path, name)


def is_bpf(path):
    return path.endswith((".bpf.c", ".bpf.h"))


def arrows(root):
    """(from folder, to folder, file, included) of every #include within the tree."""
    for path in sources(root):
        source = folder_of(path)
        if source is None:
            continue
        for _, name, target in includes(root, path):
            if target is not None and folder_of(target) not in (None, source):
                yield source, folder_of(target), path, target


def include_direction(root):
    bad = []
    for source, target, path, included in arrows(root):
        if source not in ARROWS:
            bad.append(f"{path}: folder {source} is not in the list of arrows")
        elif target == "daemon":
            bad.append(f"{path}: includes {included}; nobody includes daemon")
        elif target not in ARROWS[source] and not (target == "include" and source not in
                                                   ("bpf", "abi")):
            bad.append(f"{path}: includes {included}; {source} may not see {target}")
        elif (source, target) in INTERFACE and \
                os.path.basename(included) != INTERFACE[source, target]:
            bad.append(f"{path}: includes {included}; {source} sees only "
                       f"{INTERFACE[source, target]} of {target}")
        elif source in PURE and target == "base" and os.path.basename(included) not in PURE_BASE:
            bad.append(f"{path}: includes {included}; {source} is pure")
    for path in sources(root):
        source = folder_of(path)
        for _, name, target in includes(root, path):
            if source is None or target is not None:
                continue
            if source == "include" and not STD_OR_EXPECTED.fullmatch(name):
                bad.append(f"{path}: includes <{name}>; include/ has std and tl::expected only")
            if source in PURE and PURE_FORBIDDEN.fullmatch(name):
                bad.append(f"{path}: includes <{name}>; {source} is pure")
            for pattern, allowed, library in LIBRARIES:
                if pattern.fullmatch(name) and source not in allowed:
                    bad.append(f"{path}: includes <{name}>; {library} stays in "
                               f"{', '.join(sorted(allowed))}")
    return bad


def cycles(root):
    """Folders that include one another, directly or round about."""
    graph = {}
    for source, target, path, included in arrows(root):
        graph.setdefault(source, {}).setdefault(target, f"{path} -> {included}")
    bad = []

    def walk(node, trail):
        if node in trail:
            ring = trail[trail.index(node):]
            if node == min(ring):  # each cycle once
                steps = [graph[a][b] for a, b in zip(ring, ring[1:] + [node])]
                bad.append("folders in a circle: " + "; ".join(steps))
            return
        for target in graph.get(node, {}):
            walk(target, trail + [node])

    for node in sorted(graph):
        walk(node, [])
    return sorted(set(bad))


def languages(root):
    """*.bpf.h for BPF only, *.hpp for C++ only, *.h of ours for both."""
    bad = []
    for path in sources(root):
        for _, name, target in includes(root, path):
            if name.endswith(".bpf.h") and not is_bpf(path):
                bad.append(f"{path}: includes {name}, which is BPF only")
            if name.endswith(".hpp") and not path.endswith((".cpp", ".hpp")):
                bad.append(f"{path}: includes {name}, which is C++ only")
    return bad


def licences(root):
    """An SPDX line first (after #!), naming the licence that its place asks for."""
    bad = []
    for path in files(root):
        name = os.path.basename(path)
        script = read(root, path)[:2] == "#!" and not path.startswith(".")
        if not script and not path.endswith(SOURCES + (".py", ".sh")):
            continue
        head = read(root, path).split("\n", 2)[:2]
        found = re.search(r"SPDX-License-Identifier: (.*?)(?: \*/)?$", head[0]) or \
            (head[0].startswith("#!") and len(head) > 1 and
             re.search(r"SPDX-License-Identifier: (.*)$", head[1]))
        if not found:
            bad.append(f"{path}: no SPDX line")
            continue
        wanted = "Apache-2.0"
        if path.startswith("include/vipd/abi/"):
            wanted = "GPL-2.0-only OR Apache-2.0"
        elif is_bpf(name):
            wanted = "GPL-2.0-only"
        if found[1] != wanted:
            bad.append(f"{path}: is {found[1]}, its place asks for {wanted}")
    return bad


# Written in pieces, or this file would be the first to be found.
MACHINE_PATH = re.compile(r"(?<![\w.\-/}])/(?:" + "|".join(("wo" "rk", "tm" "p/w", "ho" "me/[a-z]+")) +
                          r")(?![\w.\-])")


def machine_paths(root):
    bad = []
    for path in files(root):
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if found := MACHINE_PATH.search(line):
                bad.append(f"{path}:{number}: names {found[0]}, a place on somebody's machine")
    return bad


def lengths(root, limit=600):
    bad = []
    for path in sources(root) + [p for p in files(root) if p.startswith("tools/")]:
        if path.split("/")[0] in ("bpf", "userspace", "vrrp", "include", "tools"):
            if (lines := read(root, path).count("\n")) >= limit:
                bad.append(f"{path}: {lines} lines, {limit} are too many")
    return sorted(set(bad))
