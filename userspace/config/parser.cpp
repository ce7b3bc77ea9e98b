// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/parser.hpp"

#include <algorithm>

namespace vipd::config {

namespace {

void parse_root(Parsing& parsing, const Statement& statement) {
    const std::string_view name = statement.head().text;
    if (statement.keyword->status != Status::Done) return;
    if (name == "global_defs")
        parse_global_defs(parsing, statement);
    else if (name == "vrrp_instance")
        parse_vrrp_instance(parsing, statement);
    else if (name == "vrrp_sync_group")
        parse_sync_group(parsing, statement);
    else if (name == "vrrp_script")
        parse_vrrp_script(parsing, statement);
    else if (name == "virtual_server")
        parse_virtual_server(parsing, statement);
    else if (name == "vipd")
        parse_vipd(parsing, statement);
    else if (name == "instance")
        parsing.config.instance_name = statement.value().text;
    else if (name == "net_namespace")
        parsing.config.net_namespace = statement.value().text;
}

}  // namespace

Parsed parse(std::string_view text, std::string name, const Environment& environment) {
    Parsed parsed;
    parsed.config.global.router_id.value = environment.hostname;
    const std::string config_id =
        environment.config_id.empty()
            ? environment.hostname.substr(0, environment.hostname.find('.'))
            : environment.config_id;
    Reporter reporter(text, std::move(name));
    Parsing parsing{parsed.config, reporter, environment};

    for (const auto& statement : SyntaxReader(text, config_id, reporter).read())
        parse_root(parsing, statement);
    resolve_vrrp(parsing);
    check_interfaces(parsing);
    check_scripts(parsing);
    parsed.diagnostics = reporter.take();
    return parsed;
}

}  // namespace vipd::config
