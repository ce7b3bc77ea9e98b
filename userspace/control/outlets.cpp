// SPDX-License-Identifier: Apache-2.0
#include "userspace/control/outlets.hpp"

#include "userspace/control/track_scripts.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

namespace vipd::control {

namespace {

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

Outlets::Outlets(EventLoop& loop,
                 ScriptRunner& scripts,
                 const std::vector<std::string>& role_arguments,
                 Say say)
    : scripts_(scripts),
      say_(say),
      all_(say),
      vrrp_(say),
      lvs_(say),
      mailer_(loop, role_arguments, say) {}

void Outlets::configure(const config::Config& config) {
    global_ = config.global;
    const auto settings = [&](const config::NotifyFifo& from) {
        FifoSettings to{.path = *from.path, .user = from.user, .group = from.group, .script = {}};
        if (from.script) to.script = make_job(*from.script, global_, Nanos(0));
        return to;
    };
    for (const auto& done : {all_.configure(settings(global_.fifo), scripts_),
                             vrrp_.configure(settings(global_.vrrp_fifo), scripts_),
                             lvs_.configure(settings(global_.lvs_fifo), scripts_)})
        if (!done) say_(true, done.error().message);
}

void Outlets::tell(const Announcement& announcement, Source source) {
    for (const auto& script : announcement.scripts) run(script);
    if (!announcement.fifo_line.empty()) {
        all_.write(announcement.fifo_line);
        (source == Source::Vrrp ? vrrp_ : lvs_).write(announcement.fifo_line);
    }
    if (announcement.alert) mail(*announcement.alert);
}

void Outlets::close_fifos() {
    for (auto* fifo : {&all_, &vrrp_, &lvs_}) fifo->close();
}

void Outlets::run(const config::Script& script) {
    const auto job = make_job(script, global_, Nanos(0));
    const std::string name = script.argv.empty() ? "" : script.argv.front();
    const auto started = scripts_.run(job, [say = say_, name](const ScriptResult& result) {
        if (result.status != 0) say(true, fmt::format("notify script {} {}", name, result.detail));
    });
    if (!started) say_(true, fmt::format("notify script {}: {}", name, started.error().message));
}

void Outlets::mail(const Alert& alert) {
    const config::Smtp& smtp = global_.smtp;
    if (smtp.server->empty() || smtp.to.empty()) return;
    Mail mail;
    mail.server = *smtp.server;
    mail.port = *smtp.port;
    mail.timeout_ms =
        static_cast<std::uint32_t>(std::chrono::ceil<Millis>(*smtp.connect_timeout).count());
    mail.helo = smtp.helo_name->empty() ? host_name() : *smtp.helo_name;
    mail.from = smtp.from->empty() ? "root@" + host_name() : *smtp.from;
    for (const auto& to : smtp.to) mail.to.push_back(*to);
    mail.subject = fmt::format("[{}] {}", *global_.router_id, alert.subject);
    mail.body = alert.body;
    mailer_.send(mail);
}

}  // namespace vipd::control
