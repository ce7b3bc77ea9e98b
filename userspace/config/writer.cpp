// SPDX-License-Identifier: Apache-2.0
// The file as a whole, and vipd's own block.
#include "userspace/config/writer.hpp"

#include "userspace/config/writer_lines.hpp"

#include <fmt/ranges.h>

#include <bit>

namespace vipd::config {

namespace {

IpAddress offset(const IpAddress& first, std::uint32_t by) {
    std::vector<std::uint8_t> bytes(first.bytes().begin(), first.bytes().end());
    std::uint32_t carry = by;
    for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
        carry += *byte;
        *byte = static_cast<std::uint8_t>(carry);
        carry >>= 8U;
    }
    const std::span<const std::uint8_t> all(bytes);
    return first.is_v4() ? IpAddress::v4(all.first<4>()) : IpAddress::v6(all.first<16>());
}

void write_ssl(Lines& lines, const Ssl& ssl) {
    if (ssl == Ssl{}) return;
    lines.open("SSL");
    lines.text("password", ssl.password);
    lines.text("ca", ssl.ca);
    lines.text("certificate", ssl.certificate);
    lines.text("key", ssl.key);
    lines.close();
}

void write_sync(Lines& lines, const Vipd& vipd) {
    if (vipd.sync_peers.empty() && !vipd.sync_key_file.set && !vipd.sync_bind.set &&
        !vipd.sync_port.set && !vipd.sync_wait_limit.set)
        return;
    lines.open("sync");
    for (const auto& peer : vipd.sync_peers) lines.address("peer", peer);
    lines.text("key_file", vipd.sync_key_file);
    lines.address("bind", vipd.sync_bind);
    lines.number("port", vipd.sync_port);
    lines.seconds("wait_limit", vipd.sync_wait_limit);
    lines.close();
}

// Of a path and an "off" the last one counts; both are kept.
void write_checkpoint(Lines& lines, const Vipd& vipd) {
    const bool off_first = vipd.checkpoint_enabled.set && *vipd.checkpoint_enabled;
    if (off_first) lines.line("checkpoint off");
    lines.text("checkpoint", vipd.checkpoint);
    if (vipd.checkpoint_enabled.set && !off_first) lines.line("checkpoint off");
    lines.seconds("checkpoint_interval", vipd.checkpoint_interval);
}

void write_lease(Lines& lines, const Vipd& vipd) {
    const bool off_first = vipd.lease_enabled.set && *vipd.lease_enabled;
    if (off_first) lines.line("lease off");
    lines.seconds("lease", vipd.lease);
    if (vipd.lease_enabled.set && !off_first) lines.line("lease off");
}

}  // namespace

std::string range_words(const AddressRange& range) {
    std::string text = range.first.to_string();
    if (std::has_single_bit(range.count)) {
        const unsigned all = range.first.is_v4() ? 32 : 128;
        if (range.count > 1)
            text += fmt::format("/{}", all - static_cast<unsigned>(std::countr_zero(range.count)));
    } else {
        text += '-' + offset(range.first, range.count - 1).to_string();
    }
    if (range.port != 0) text += fmt::format(" {}", range.port);
    return text;
}

void write_vipd(Lines& lines, const Vipd& vipd) {
    if (vipd == Vipd{}) return;
    lines.open("vipd");
    for (const auto& interface : vipd.interfaces) lines.text("interfaces", interface);
    if (vipd.attach.set)
        lines.line(*vipd.attach == Vipd::Attach::Native    ? "attach_mode native"
                   : *vipd.attach == Vipd::Attach::Generic ? "attach_mode generic"
                                                           : "attach_mode auto");
    lines.number("flow_table_size", vipd.flow_table_size);
    lines.number("ring_size", vipd.ring_size);
    write_lease(lines, vipd);
    write_checkpoint(lines, vipd);
    lines.text("api_socket", vipd.api_socket);
    if (vipd.api_listen)
        lines.line(fmt::format(
            "api_listen {} {}", vipd.api_listen->address.to_string(), vipd.api_listen->port));
    for (const auto& mark : vipd.fwmarks) {
        lines.open(fmt::format("fwmark {}", mark.value));
        for (const auto& carrier : mark.carriers)
            lines.line(range_words(carrier.range) + ' ' + std::string(to_string(carrier.protocol)));
        lines.close();
    }
    write_sync(lines, vipd);
    lines.close();
}

std::string to_text(const Config& config) {
    Lines lines;
    lines.plain("instance", config.instance_name);
    lines.plain("net_namespace", config.net_namespace);
    lines.plain("net_namespace_ipvs", config.net_namespace_ipvs);
    lines.flag("use_pid_dir", config.use_pid_dir);
    lines.seconds("child_wait_time", config.child_wait_time);
    write_global_defs(lines, config.global);
    write_links(lines, config);
    write_addresses(lines, "static_ipaddress", config.static_addresses);
    write_routes(lines, "static_routes", config.static_routes);
    write_rules(lines, "static_rules", config.static_rules);
    write_trackers(lines, config);
    for (const auto& instance : config.instances) write_instance(lines, instance);
    for (const auto& group : config.sync_groups) write_sync_group(lines, group);
    write_ssl(lines, config.ssl);
    for (const auto& group : config.virtual_server_groups) write_server_group(lines, group);
    // parse() appends those of marks and groups to those of addresses, each in their order.
    for (const auto& server : config.virtual_servers) write_virtual_server(lines, server);
    for (const auto& server : config.keyless_servers) write_virtual_server(lines, server);
    write_vipd(lines, config.vipd);
    return lines.take();
}

}  // namespace vipd::config
