// SPDX-License-Identifier: Apache-2.0
// A configuration file: whatever it is, it reads the same
// twice, each diagnostic has a place and can be shown, and lint takes what comes of it.
#include "userspace/config/config.hpp"

#include "userspace/config/lint.hpp"

#include <array>
#include <cstdlib>
#include <string_view>

namespace {

using namespace vipd::config;

Environment environment() {
    Environment made;
    made.hostname = "node1.example";
    made.interface_exists = [](std::string_view name) { return name == "lo" || name == "eth0"; };
    made.user_exists = [](std::string_view name) { return name == "root"; };
    made.script_problem = [](const Script& script) -> std::optional<std::string> {
        if (script.argv.empty()) std::abort();
        return script.argv.front() == "/bin/true" ? std::nullopt
                                                  : std::optional<std::string>("not found");
    };
    made.script_insecure = [](const Script&) { return std::optional<std::string>("it is not"); };
    return made;
}

std::string shown(const Parsed& parsed) {
    std::string text;
    for (const Diagnostic& diagnostic : parsed.diagnostics) {
        if (diagnostic.message.empty() || diagnostic.at.line == 0) std::abort();
        text += render(diagnostic) + "\n";
    }
    return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Environment world = environment();
    const Parsed parsed = parse(text, "fuzz", world);
    const std::string once = shown(parsed);
    // Random sequences and ids are asked of `world`, which has none.
    if (shown(parse(text, "fuzz", world)) != once) std::abort();
    const std::array configs{parsed.config, parsed.config};
    for (const Diagnostic& diagnostic : lint(configs, world))
        if (render(diagnostic).empty()) std::abort();
    return 0;
}
