// SPDX-License-Identifier: Apache-2.0
// docs/COMPATIBILITY.md is the parser's own keyword table, written out. After a change of the
// table:
//   VIPD_WRITE_DOCS=1 build/tests/compat_docs
#include "userspace/config/keywords.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

namespace vipd::config {
namespace {

std::string_view word(Status status) {
    switch (status) {
        case Status::Done:
            return "done";
        case Status::NotYet:
            return "not yet: a warning";
        case Status::NoEffect:
            return "accepted, without effect";
    }
    return "?";
}

// tests/compat/test_corpus.py counts them.
constexpr const char* kVerdicts = R"(
## Where the verdicts differ

Of 1,944 runs of `-t` over the 870 files of the test set of keepalived's maintainer, vipd's verdict (clean,
complaints, script security) is keepalived 2.2.7's in 1,906. The others:

| files | keepalived | vipd | why |
|---|---|---|---|
| 1079 1201 1722 | clean | complaints | `virtual_server fwmark N` without a `vipd { fwmark N { ... } }`: XDP sees no marks, so nothing would be forwarded |
| 1493 1495 1496 1774 | complaints | clean | a comment that ends in a backslash: keepalived takes the backslash for a keyword |
| 1554 1609 1760 1767 to 1772 1777 1778 1870 | clean | complaints | `global_defs NAME {`: keepalived says "Unknown keyword", skips the block and exits with 0 all the same; vipd reads the block and says what is wrong in it |
| 1185 | clean | complaints | an unknown keyword and an interface that does not exist: said by keepalived, too, but not counted |
| 1356 | clean | complaints | two instances with one VRID on one interface, both with an empty `unicast_peer`: both would use the same group |
| 1781 | clean | complaints | the MAC address after `use_vmac NAME` has five bytes |
| 1779 | complaints | clean | `rtt 1.000125s`: finer than the kernel's clock, and rounded |
| 1044 | script security | complaints | only where ipvsadm, which it calls, is not installed |
)";

std::string table() {
    std::string text =
        "# What vipd does of keepalived.conf\n\n"
        "Made from the parser's own table; every keyword of keepalived stands here. *done*: does "
        "what\n"
        "keepalived does, within what the README names (TCP and UDP). *not yet*: read, checked, "
        "and\n"
        "answered by a\n"
        "warning with its place in the file. *accepted, without effect*: a warning, too, which "
        "says why there\n"
        "is nothing that it could change, and what vipd has instead. All of it since 0.1.0.\n";
    for (unsigned block = 1; block < static_cast<unsigned>(Block::List); ++block) {
        std::map<std::string_view, const Keyword*> rows;
        for (const auto& keyword : keywords())
            if ((keyword.where >> block & 1U) != 0) rows.emplace(keyword.name, &keyword);
        if (rows.empty()) continue;
        text += fmt::format("\n## {}\n\n| keyword | |\n|---|---|\n",
                            name_of(static_cast<Block>(block)));
        for (const auto& [name, keyword] : rows)
            text += fmt::format("| `{}` | {}{}{} |\n",
                                name,
                                word(keyword->status),
                                keyword->note.empty() ? "" : ": ",
                                keyword->note);
    }
    return text + kVerdicts;
}

TEST(Compatibility, TheDocumentIsTheParsersTable) {
    const char* path = VIPD_SOURCE_DIR "/docs/COMPATIBILITY.md";
    if (std::getenv("VIPD_WRITE_DOCS") != nullptr) std::ofstream(path) << table();
    std::ostringstream written;
    written << std::ifstream(path).rdbuf();
    EXPECT_TRUE(written.str() == table())
        << "run this test with VIPD_WRITE_DOCS=1 and commit the result";
}

}  // namespace
}  // namespace vipd::config
