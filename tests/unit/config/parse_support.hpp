// SPDX-License-Identifier: Apache-2.0
// What the tests of userspace/config share: a machine of their own, and findings as short text.
#pragma once

#include "userspace/config/config.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace vipd::config::test {

/// lo and eth0 exist; `pidof` and /bin/true can run, other commands are not found.
inline Environment machine() {
    Environment environment;
    environment.hostname = "node1.example";
    environment.interface_exists = [](std::string_view name) {
        return name == "lo" || name == "eth0";
    };
    environment.script_problem = [](const Script& script) -> std::optional<std::string> {
        if (script.argv.front() == "pidof" || script.argv.front() == "/bin/true")
            return std::nullopt;
        return "not found";
    };
    return environment;
}

/// Neither interfaces nor scripts are asked for.
inline Environment anywhere() {
    Environment environment;
    environment.hostname = "node1.example";
    return environment;
}

inline Parsed read(std::string_view text, const Environment& environment = anywhere()) {
    return parse(text, "t.conf", environment);
}

/// "12:5 error: message", one per diagnostic.
inline std::vector<std::string> findings(const Parsed& parsed) {
    std::vector<std::string> lines;
    for (const auto& diagnostic : parsed.diagnostics) {
        std::string_view severity = diagnostic.severity == Severity::Error      ? "error"
                                    : diagnostic.severity == Severity::Security ? "security"
                                    : diagnostic.severity == Severity::Fatal    ? "fatal"
                                    : diagnostic.keepalived_too                 ? "complaint"
                                                                                : "warning";
        lines.push_back(std::to_string(diagnostic.at.line) + ":" +
                        std::to_string(diagnostic.at.column) + " " + std::string(severity) + ": " +
                        diagnostic.message);
    }
    return lines;
}

inline std::string file_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

/// A vrrp_instance that nothing can be said against, with `extra` lines (from line 6 on).
inline std::string instance(std::string_view extra) {
    return "vrrp_instance VI_1 {\n"
           "interface eth0\n"
           "virtual_router_id 51\n"
           "virtual_ipaddress { 10.0.0.1/24\n"
           "}\n" +
           std::string(extra) + "\n}\n";
}

/// A virtual_server that nothing can be said against, with `extra` lines (from line 5 on).
inline std::string service(std::string_view extra) {
    return "virtual_server 10.0.0.1 80 {\n"
           "lb_algo mh\n"
           "lb_kind DR\n"
           "protocol TCP\n" +
           std::string(extra) + "\n}\n";
}

}  // namespace vipd::config::test
