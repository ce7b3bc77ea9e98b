#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tree_test.py [Tree.NAME | Rules]: this tree keeps the rules, and the rules catch what they should."""
import os
import sys
import tempfile
import unittest

import tree_check

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


class Tree(unittest.TestCase):
    """The tree that this file stands in."""

    def assertNone(self, complaints):
        self.assertEqual(complaints, [], "\n" + "\n".join(complaints))

    def test_is_found(self):
        self.assertIn("userspace/base/fd.cpp", tree_check.sources(ROOT))
        self.assertIn(("dataplane", "model"), {a[:2] for a in tree_check.arrows(ROOT)})

    def test_include_direction(self):
        self.assertNone(tree_check.include_direction(ROOT))

    def test_no_cycles(self):
        self.assertNone(tree_check.cycles(ROOT))

    def test_languages(self):
        self.assertNone(tree_check.languages(ROOT))

    def test_licences(self):
        self.assertNone(tree_check.licences(ROOT))

    def test_machine_paths(self):
        self.assertNone(tree_check.machine_paths(ROOT))

    def test_lengths(self):
        self.assertNone(tree_check.lengths(ROOT))


class Rules(unittest.TestCase):
    """Each rule on a small tree that breaks it."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="vipd-tree-test.")
        self.addCleanup(self.folder.cleanup)

    def write(self, **texts):
        for path, text in texts.items():
            self.put(path, text)

    def put(self, path, text):
        full = os.path.join(self.folder.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def check(self, rule, path, text, fragment):
        """`rule` complains about exactly this file once it has this text, and not before."""
        self.assertEqual(rule(self.folder.name), [])
        self.put(path, text)
        complaints = rule(self.folder.name)
        self.assertEqual(len(complaints), 1, complaints)
        self.assertIn(path, complaints[0])
        self.assertIn(fragment, complaints[0])
        os.remove(os.path.join(self.folder.name, path))

    def test_arrows(self):
        for header in ("userspace/base/fd.hpp", "userspace/base/text.hpp",
                       "userspace/config/config.hpp", "userspace/dataplane/dataplane.hpp",
                       "userspace/dataplane/bpf_dataplane.hpp", "userspace/control/core.hpp",
                       "userspace/daemon/options.hpp", "vrrp/fsm/machine.hpp",
                       "include/vipd/error.hpp", "include/vipd/abi/hash.h"):
            self.put(header, "")
        rule = tree_check.include_direction
        for path, included, fragment in (
                ("userspace/base/a.cpp", '"userspace/config/config.hpp"', "may not see config"),
                ("vrrp/engine/a.cpp", '"userspace/config/config.hpp"', "may not see config"),
                ("vrrp/engine/a.cpp", '"userspace/dataplane/dataplane.hpp"', "not see dataplane"),
                ("userspace/dataplane/a.cpp", '"userspace/control/core.hpp"', "not see control"),
                ("userspace/api/a.cpp", '"userspace/daemon/options.hpp"', "nobody includes daemon"),
                ("userspace/sync/a.cpp", '"userspace/dataplane/bpf_dataplane.hpp"', "only"),
                ("userspace/model/a.cpp", '"userspace/base/fd.hpp"', "pure"),
                ("userspace/model/a.cpp", "<unistd.h>", "pure"),
                ("vrrp/fsm/a.cpp", "<sys/socket.h>", "pure"),
                ("bpf/a.bpf.h", "<vipd/error.hpp>", "may not see include"),
                ("userspace/net/a.cpp", "<vipd/abi/hash.h>", "may not see abi"),
                ("userspace/control/a.cpp", "<bpf/libbpf.h>", "libbpf"),
                ("userspace/check/a.cpp", "<netlink/route/link.h>", "libnl"),
                ("userspace/net/a.cpp", "<openssl/evp.h>", "OpenSSL"),
                ("include/vipd/a.hpp", "<fmt/format.h>", "std"),
                ("userspace/daemon/a.cpp", '"vipd.skel.h"', "libbpf"),
                ("userspace/surprise/a.cpp", '"userspace/base/text.hpp"', "not in the list")):
            self.check(rule, path, f"#  include {included}\n", fragment)
        self.put("userspace/control/a.cpp", '#include "userspace/dataplane/dataplane.hpp"\n')
        self.put("userspace/model/a.cpp", '#include "userspace/base/text.hpp"\n'
                                          "#include <vipd/error.hpp>\n#include <vector>\n")
        self.assertEqual(rule(self.folder.name), [])

    def test_cycles(self):
        self.put("userspace/base/a.hpp", '#include "userspace/net/b.hpp"\n')
        self.put("userspace/net/b.hpp", '#include "userspace/model/c.hpp"\n')
        self.check(tree_check.cycles, "userspace/model/c.hpp",
                   '#include "userspace/base/a.hpp"\n', "circle")

    def test_languages(self):
        self.put("bpf/x.bpf.h", "")
        self.put("include/vipd/x.hpp", "")
        self.check(tree_check.languages, "userspace/base/a.cpp", '#include "bpf/x.bpf.h"\n', "BPF")
        self.check(tree_check.languages, "bpf/a.bpf.c", "#include <vipd/x.hpp>\n", "C++")
        self.check(tree_check.languages, "include/vipd/abi/a.h", "#include <vipd/x.hpp>\n", "C++")

    def test_licences(self):
        spdx = "SPDX-License-Identifier: "
        self.put("a.cpp", f"// {spdx}Apache-2.0\n")
        self.put("b.bpf.c", f"// {spdx}GPL-2.0-only\n")
        self.put("tools/c", f"#!/bin/bash\n# {spdx}Apache-2.0\n")
        self.put("include/vipd/abi/d.h", f"/* {spdx}GPL-2.0-only OR Apache-2.0 */\n")
        self.put("README.md", "no line needed\n")
        rule = tree_check.licences
        self.check(rule, "e.cpp", "int e;\n", "no SPDX")
        self.check(rule, "tools/e", "#!/bin/bash\necho\n", "no SPDX")
        self.check(rule, "e.bpf.h", f"// {spdx}Apache-2.0\n", "asks for GPL-2.0-only")
        self.check(rule, "include/vipd/abi/e.h", f"/* {spdx}Apache-2.0 */\n", "OR Apache-2.0")

    def test_machine_paths(self):
        self.put("a.md", "userspace/" + "work/file and work/ and http://x/work and /tmp/where\n")
        place = "/" + "work/main"
        for text in (f"see {place}", f'"{place}"', f"-I{place}"[:2] + " " + place,
                     "/" + "tmp/w/x", "/" + "home/somebody/x"):
            self.check(tree_check.machine_paths, "b.md", text, "b.md:1")

    def test_lengths(self):
        self.put("tools/demo", "\n" * 599)
        self.put("tests/long.cpp", "\n" * 2000)
        self.check(tree_check.lengths, "tools/test", "\n" * 600, "600 lines")
        self.check(tree_check.lengths, "vrrp/fsm/a.cpp", "\n" * 700, "700 lines")


if __name__ == "__main__":
    sys.exit(unittest.main())
