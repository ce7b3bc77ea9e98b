// SPDX-License-Identifier: Apache-2.0
// vipctl: what a vipd is doing, and the few things that it can be told to do.
#include "tools/vipctl/client.hpp"
#include "tools/vipctl/render.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <sys/ioctl.h>
#include <thread>

namespace {

using namespace vipd::vipctl;

// Exit statuses: done; vipd refused or failed; vipd cannot be reached or the usage is wrong.
constexpr int kDone = 0;
constexpr int kRefused = 1;
constexpr int kUnreachable = 2;

constexpr std::chrono::milliseconds kPoll{50};

void print(std::string_view text) {
    std::cout << text;
}

int report(const Failure& failure) {
    std::cerr << "vipctl: " << failure.message << '\n';
    return failure.refused ? kRefused : kUnreachable;
}

int report_garbled() {
    return report({"the answer is not what a vipd says; is it another program's socket?", false});
}

Screen screen_of_stdout() {
    Screen screen;
    if (::isatty(STDOUT_FILENO) == 0) return screen;
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) screen.width = size.ws_col;
    const char* term = std::getenv("TERM");
    screen.color =
        std::getenv("NO_COLOR") == nullptr && term != nullptr && std::string_view(term) != "dumb";
    return screen;
}

/// Prints the body of a GET as it is.
int show(const Client& client, const std::string& target) {
    const auto body = client.get(target);
    if (!body) return report(body.error());
    print(*body);
    return kDone;
}

int status(const Client& client, bool json) {
    if (json) return show(client, "/v1/status");
    const auto body = client.get("/v1/status");
    if (!body) return report(body.error());
    const auto parsed = Json::parse(*body, nullptr, false);
    if (!parsed.is_object()) return report_garbled();
    print(render_status(parsed, screen_of_stdout()));
    return kDone;
}

int flows(const Client& client,
          bool json,
          const std::vector<std::string>& words,
          std::uint64_t limit) {
    FlowLines lines;
    const auto done =
        client.stream("/v1/flows?" + flow_query(words, limit), [&](std::string_view part) {
            print(json ? std::string(part) : lines.feed(part));
            return std::cout.good();
        });
    if (!done) return report(done.error());
    if (json) return kDone;
    print(lines.finish());
    return lines.complete() ? kDone : kUnreachable;
}

/// Prints the "message" of a command's answer, or the answer itself.
int say(const std::string& body, bool json) {
    const auto parsed = Json::parse(body, nullptr, false);
    if (json || !parsed.is_object() || !parsed.contains("message"))
        print(body);
    else if (parsed["message"].is_string())
        print(plain(parsed["message"].get<std::string>()) + "\n");
    return kDone;
}

struct ReloadWords {
    bool dry_run = false;
    bool confirm = false;
    std::uint64_t confirm_within = 0;  ///< seconds; 0: it need not be confirmed
};

int reload(const Client& client, bool json, const ReloadWords& words) {
    Json request = Json::object();
    if (words.dry_run) request["dry_run"] = true;
    if (words.confirm) request["confirm"] = true;
    if (words.confirm_within > 0) request["confirm_within_s"] = words.confirm_within;
    const auto body = client.post("/v1/reload", request.dump());
    if (!body) return report(body.error());
    if (!words.dry_run || json) return say(*body, json);
    const auto plan = Json::parse(*body, nullptr, false);
    if (!plan.is_object()) return report_garbled();
    print(render_plan(plan));
    return kDone;
}

int version(const Client& client, bool json) {
    const auto body = client.get("/v1/version");
    if (!body) return report(body.error());
    const auto parsed = Json::parse(*body, nullptr, false);
    if (json)
        print(*body);
    else if (parsed.is_object() && parsed.contains("version") && parsed["version"].is_string())
        print("vipd " + plain(parsed["version"].get<std::string>()) +
              ", vipctl " VIPD_VERSION "\n");
    else
        return report_garbled();
    return kDone;
}

int handover(const Client& client,
             bool json,
             const std::string& instance,
             double hold_seconds,
             double wait_seconds) {
    const auto before = client.get("/v1/status");
    if (!before) return report(before.error());
    const auto was = Json::parse(*before, nullptr, false);
    Json request = {{"hold_ms", static_cast<std::uint64_t>(hold_seconds * 1000)}};
    if (!instance.empty()) request["instance"] = instance;
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = client.post("/v1/handover", request.dump());
    if (!answer) return report(answer.error());
    say(*answer, json);

    // The answer says that it was ordered; this waits until it has happened.
    for (;;) {
        const auto body = client.get("/v1/status");
        if (!body) return report(body.error());
        const auto now = Json::parse(*body, nullptr, false);
        std::string text;
        const bool done = handed_over(was, now, instance, text);
        const auto taken = std::chrono::steady_clock::now() - begin;
        if (done) {
            if (json) return kDone;
            print(text);
            const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(taken).count();
            print(fmt::format("handed over in {} ms\n", ms));
            return kDone;
        }
        if (taken > std::chrono::duration<double>(wait_seconds)) {
            print(json ? "" : text);
            return report({fmt::format("not handed over within {} s; is another node there to take "
                                       "over?",
                                       wait_seconds),
                           true});
        }
        std::this_thread::sleep_for(kPoll);
    }
}

struct DrainWords {
    std::string kind;  ///< "real", "service", "node"
    std::string what;
    std::string service;
    double limit = 300;
    bool wait = true;
};

std::string drain_request(const DrainWords& words) {
    Json request = {{"limit_ms", static_cast<std::uint64_t>(words.limit * 1000)}};
    if (words.kind == "node") request["node"] = true;
    if (words.kind == "service") request["service"] = words.what;
    if (words.kind == "real") request["real"] = words.what;
    if (!words.service.empty()) request["service"] = words.service;
    return request.dump();
}

int undrain(const Client& client, bool json, const DrainWords& words) {
    const auto body = client.post("/v1/undrain", drain_request(words));
    return body ? say(*body, json) : report(body.error());
}

int drain(const Client& client, bool json, const DrainWords& words) {
    const auto body = client.post("/v1/drain", drain_request(words));
    if (!body) return report(body.error());
    say(*body, json);
    if (!words.wait) return kDone;
    constexpr std::string_view kBegun = "draining ";
    const auto answer = Json::parse(*body, nullptr, false);
    std::string target;
    if (answer.is_object() && answer.contains("message") && answer["message"].is_string())
        target = answer["message"].get<std::string>();
    if (!target.starts_with(kBegun)) return report_garbled();
    target.erase(0, kBegun.size());
    const auto begin = std::chrono::steady_clock::now();
    for (std::string said;;) {
        const auto page = client.get("/v1/status");
        if (!page) return report(page.error());
        bool left = false;
        const auto line = drain_line(Json::parse(*page, nullptr, false), target, left);
        if (line.empty()) return report({target + " is not being drained any more", true});
        if (line != said && !json) print(line), std::cout.flush();
        said = line;
        if (!left) return kDone;
        if (std::chrono::steady_clock::now() - begin > std::chrono::duration<double>(words.limit))
            return report({"not drained in time; it goes on", true});
        std::this_thread::sleep_for(4 * kPoll);
    }
}

int upgrade(const Client& client, bool json) {
    const auto before = client.get("/v1/status");
    if (!before) return report(before.error());
    const auto was = Json::parse(*before, nullptr, false);
    const auto begin = std::chrono::steady_clock::now();
    // Without an answer it may have gone over before it could say so: the status will tell.
    const auto answer = client.post("/v1/upgrade", "");
    if (!answer && answer.error().refused) return report(answer.error());
    if (answer) say(*answer, json);
    // The new one has the same pid and has not been up for as long.
    const auto uptime = [](const Json& of) { return of.value("uptime_ms", std::uint64_t{0}); };
    for (;;) {
        const auto taken = std::chrono::steady_clock::now() - begin;
        if (const auto body = client.get("/v1/status")) {
            const auto now = Json::parse(*body, nullptr, false);
            if (now.is_object() && was.is_object() && uptime(now) < uptime(was)) {
                if (!json)
                    print(
                        fmt::format("vipd {} runs\n", plain(now.value("version", std::string()))));
                return kDone;
            }
        }
        if (taken > std::chrono::seconds(15))
            return report({"the new program does not answer", true});
        std::this_thread::sleep_for(kPoll);
    }
}

int failovers(const Client& client, bool json) {
    const auto body = client.get("/v1/status");
    if (!body) return report(body.error());
    const auto parsed = Json::parse(*body, nullptr, false);
    if (!parsed.is_object() || !parsed.contains("failovers")) return report_garbled();
    print(json ? parsed["failovers"].dump() + "\n" : render_failovers(parsed, screen_of_stdout()));
    return kDone;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Shows what vipd is doing and tells it what to do.", "vipctl");
    app.require_subcommand(1);
    app.set_version_flag("--version", "vipctl " VIPD_VERSION);
    app.failure_message([](const CLI::App*, const CLI::Error& error) {
        return "vipctl: " + std::string(error.what()) + "; see vipctl --help\n";
    });

    std::string instance_name;
    std::string socket;
    bool json = false;
    auto* name_option =
        app.add_option("--instance", instance_name, "the vipd started with this instance NAME");
    app.add_option("--socket", socket, "the API's socket (default /run/vipd/api.sock)")
        ->excludes(name_option);
    app.add_flag("--json", json, "print what the API says, for programs");

    auto* status_command = app.add_subcommand("status", "instances, services, sync and warnings");
    auto* flows_command = app.add_subcommand("flows", "connections, as ipvsadm -Lnc");
    std::vector<std::string> words;
    std::uint64_t limit = 1000;
    flows_command->add_option("FILTER",
                              words,
                              "client=, vip=, real=, service=, state=, protocol=, synced=, or a "
                              "bare address, state or protocol; all must match");
    flows_command->add_option("--limit", limit, "at most so many (default 1000)");

    auto* handover_command = app.add_subcommand("handover", "give up mastership");
    std::string vrrp_instance;
    double hold = 60;
    double wait = 10;
    handover_command->add_option("INSTANCE", vrrp_instance, "VRRP instance (default: all)");
    handover_command
        ->add_option("--hold", hold, "do not take it back for so many SECONDS (default 60)")
        ->check(CLI::Range(0.0, 86400.0));
    handover_command
        ->add_option("--wait", wait, "wait so many SECONDS until it has happened (default 10)")
        ->check(CLI::Range(0.0, 3600.0));

    DrainWords words_of_drain;
    auto* drain_command = app.add_subcommand(
        "drain", "no new connections to a real server or a service, or none through this node");
    auto* undrain_command = app.add_subcommand("undrain", "ends a drain");
    for (auto* command : {drain_command, undrain_command}) {
        command->add_option("KIND", words_of_drain.kind, "real, service or node")
            ->required()
            ->check(CLI::IsMember({"real", "service", "node"}));
        command->add_option("WHAT",
                            words_of_drain.what,
                            "ADDRESS:PORT of the real server, ADDRESS:PORT/TCP of the service");
        command->add_option(
            "--service", words_of_drain.service, "this service alone (ADDRESS:PORT/TCP)");
    }
    drain_command
        ->add_option("--limit", words_of_drain.limit, "done in so many SECONDS (default 300)")
        ->check(CLI::Range(0.0, 86400.0));
    drain_command->add_flag(
        "!--no-wait", words_of_drain.wait, "do not wait until no connection is left");
    auto* upgrade_command =
        app.add_subcommand("upgrade", "go over to the vipd that is installed now, without a gap");
    auto* failovers_command =
        app.add_subcommand("failovers", "the last times an instance became MASTER, step by step");

    auto* reload_command = app.add_subcommand("reload", "read the configuration again");
    ReloadWords words_of_reload;
    auto* dry_run = reload_command->add_flag(
        "--dry-run", words_of_reload.dry_run, "print what would change, change nothing");
    auto* confirm = reload_command->add_flag(
        "--confirm", words_of_reload.confirm, "keep what --confirm-within has put in force");
    reload_command
        ->add_option("--confirm-within",
                     words_of_reload.confirm_within,
                     "go back after so long (60s, 5m) unless it is confirmed")
        ->transform(CLI::AsNumberWithUnit(
            std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}, {"h", 3600}},
            CLI::AsNumberWithUnit::UNIT_OPTIONAL))
        ->check(CLI::Range(1, 86400))
        ->excludes(dry_run)
        ->excludes(confirm);
    dry_run->excludes(confirm);
    auto* metrics_command = app.add_subcommand("metrics", "the Prometheus metrics");
    auto* version_command = app.add_subcommand("version", "the versions of vipd and vipctl");
    for (auto* command : app.get_subcommands({})) command->fallthrough();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kDone : kUnreachable;
    }

    std::ios::sync_with_stdio(false);
    if (socket.empty())
        socket = instance_name.empty() ? "/run/vipd/api.sock"
                                       : "/run/vipd/" + instance_name + "/api.sock";
    const Client client(socket);
    if (*status_command) return status(client, json);
    if (*flows_command) return flows(client, json, words, limit);
    if (*handover_command) return handover(client, json, vrrp_instance, hold, wait);
    if (*drain_command) return drain(client, json, words_of_drain);
    if (*undrain_command) return undrain(client, json, words_of_drain);
    if (*upgrade_command) return upgrade(client, json);
    if (*failovers_command) return failovers(client, json);
    if (*reload_command) return reload(client, json, words_of_reload);
    if (*metrics_command) return show(client, "/metrics");
    if (*version_command) return version(client, json);
    return kUnreachable;
}
