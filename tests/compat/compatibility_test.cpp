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

std::string table() {
    std::string text =
        "# What vipd does of keepalived.conf\n\n"
        "Made from the parser's own table; every keyword of keepalived stands here. *done*: does "
        "what\n"
        "keepalived does, within what the README names (TCP and UDP). *not yet*: read, checked, "
        "and\n"
        "answered by a\n"
        "warning with its place in the file. *accepted, without effect*: there is nothing in vipd "
        "that it\n"
        "could change.\n";
    for (unsigned block = 1; block < static_cast<unsigned>(Block::List); ++block) {
        std::map<std::string_view, Status> rows;
        for (const auto& keyword : keywords())
            if ((keyword.where >> block & 1U) != 0) rows.emplace(keyword.name, keyword.status);
        if (rows.empty()) continue;
        text += fmt::format("\n## {}\n\n| keyword | |\n|---|---|\n",
                            name_of(static_cast<Block>(block)));
        for (const auto& [name, status] : rows)
            text += fmt::format("| `{}` | {} |\n", name, word(status));
    }
    return text;
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
