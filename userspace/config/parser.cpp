// SPDX-License-Identifier: Apache-2.0
#include "userspace/config/fields.hpp"

#include <algorithm>
#include <unordered_map>

namespace vipd::config {

namespace {

using RootParser = void (*)(Parsing&, const Statement&);

const std::unordered_map<std::string_view, RootParser>& root_parsers() {
    static const std::unordered_map<std::string_view, RootParser> parsers{
        {"global_defs", parse_global_defs},
        {"vrrp_instance", parse_vrrp_instance},
        {"vrrp_sync_group", parse_sync_group},
        {"vrrp_script", parse_vrrp_script},
        {"track_file", parse_track_file},
        {"vrrp_track_file", parse_track_file},
        {"vrrp_track_process", parse_track_process},
        {"bfd_instance", parse_bfd_instance},
        {"garp_group", parse_garp_group},
        {"interface_up_down_delays", parse_up_down_delays},
        {"linkbeat_interfaces", parse_linkbeat},
        {"track_group", parse_track_group},
        {"static_ipaddress", parse_static_addresses},
        {"virtual_server", parse_virtual_server},
        {"virtual_server_group", parse_virtual_server_group},
        {"vipd", parse_vipd},
        {"static_routes",
         [](Parsing& parsing, const Statement& block) {
             parse_routes(parsing, block, parsing.config.static_routes);
         }},
        {"static_rules",
         [](Parsing& parsing, const Statement& block) {
             parse_rules(parsing, block, parsing.config.static_rules);
         }},
    };
    return parsers;
}

const Fields<Ssl>& ssl_fields() {
    static const Fields<Ssl> fields{{"password", text(&Ssl::password)},
                                    {"ca", text(&Ssl::ca)},
                                    {"certificate", text(&Ssl::certificate)},
                                    {"key", text(&Ssl::key)}};
    return fields;
}

/// Often a definition that is empty on some of the nodes.
void read_net_namespace(Parsing& parsing, const Statement& statement) {
    if (statement.values() == 0)
        parsing.reporter.warning(statement.head(), "net_namespace names none; ignored");
    else
        parsing.config.net_namespace = statement.value().text;
}

void parse_root(Parsing& parsing, const Statement& statement) {
    Config& config = parsing.config;
    const std::string_view name = statement.head().text;
    const auto parser = root_parsers().find(name);
    if (parser != root_parsers().end())
        parser->second(parsing, statement);
    else if (name == "SSL")
        read_fields(ssl_fields(), parsing, config.ssl, statement);
    else if (name == "instance")
        config.instance_name = statement.value().text;
    else if (name == "net_namespace")
        read_net_namespace(parsing, statement);
    else if (name == "net_namespace_ipvs")
        config.net_namespace_ipvs = statement.value().text;
    else if (name == "use_pid_dir")
        flag (&Config::use_pid_dir)(parsing, config, statement);
    else if (name == "linkbeat_use_polling")
        flag (&Config::linkbeat_use_polling)(parsing, config, statement);
    else if (name == "child_wait_time")
        seconds(&Config::child_wait_time, Nanos(0))(parsing, config, statement);
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

    SyntaxReader(text, config_id, environment.sources, reporter)
        .read([&](const Statement& statement) { parse_root(parsing, statement); });
    resolve_vrrp(parsing);
    resolve_services(parsing);
    check_interfaces(parsing);
    check_scripts(parsing);
    check_ways(parsing);
    parsed.diagnostics = reporter.take();
    return parsed;
}

}  // namespace vipd::config
