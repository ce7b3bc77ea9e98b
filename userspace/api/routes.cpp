// SPDX-License-Identifier: Apache-2.0
#include "userspace/api/routes.hpp"

#include "userspace/api/flow_filter.hpp"
#include "userspace/api/json.hpp"
#include "userspace/api/live_command.hpp"
#include "userspace/api/metrics.hpp"

#include <signal.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace vipd::api {
namespace {

constexpr Millis kStatusAge{50};
constexpr std::uint64_t kSlotsPerCall = 16384;  // 1 MiB of the table: a millisecond or two
constexpr std::size_t kChunk = std::size_t{64} * 1024;
constexpr Millis kDefaultHold{60000};
constexpr Seconds kLongestConfirm{86400};
constexpr Millis kLongestHold{24 * 3600 * 1000};
constexpr std::string_view kJson = "application/json";

struct Path {
    std::string_view path;
    bool command;  ///< POST, else GET
};
constexpr Millis kDefaultDrain{300'000};
constexpr std::array<Path, 10> kPaths = {Path{"/v1/status", false},
                                         Path{"/v1/flows", false},
                                         Path{"/v1/version", false},
                                         Path{"/metrics", false},
                                         Path{"/v1/reload", true},
                                         Path{"/v1/handover", true},
                                         Path{"/v1/drain", true},
                                         Path{"/v1/undrain", true},
                                         Path{"/v1/upgrade", true},
                                         Path{"/v1/change", true}};

void answer(httplib::Response& response, int code, std::string_view message) {
    response.status = code;
    response.set_content(error_text(message), std::string(kJson));
}

/// "10.0.0.1:80", "[2001:db8::1]:80"
std::optional<Endpoint> parse_endpoint(std::string_view text) {
    const auto pattern = EndpointPattern::parse(text);
    if (!pattern || !pattern->network || !pattern->port) return std::nullopt;
    const IpAddress& address = pattern->network->address;
    if (pattern->network->length != address.bytes().size() * 8) return std::nullopt;
    return Endpoint{address, *pattern->port};
}

/// The same with "/TCP", "/UDP" or "/SCTP" behind it; TCP without.
std::optional<ServiceKey> parse_service(std::string_view text) {
    const auto slash = text.rfind('/');
    const auto endpoint = parse_endpoint(text.substr(0, slash));
    if (!endpoint) return std::nullopt;
    if (slash == std::string_view::npos) return ServiceKey{*endpoint, Protocol::Tcp};
    for (const auto protocol : {Protocol::Tcp, Protocol::Udp, Protocol::Sctp})
        if (text.substr(slash + 1) == to_string(protocol)) return ServiceKey{*endpoint, protocol};
    return std::nullopt;
}

void answer_busy(httplib::Response& response, std::string_view message) {
    response.set_header("Retry-After", "1");
    answer(response, 503, message);
}

void answer(httplib::Response& response, const Json& json) {
    response.status = 200;
    response.set_content(to_text(json) + "\n", std::string(kJson));
}

/// One flow a line: people grep it, and vipctl prints a million of them without holding them.
constexpr std::string_view kListingHead = "{\"flows\":[\n";

std::string listing_tail(const Listing& listing) {
    return "],\"returned\":" + std::to_string(listing.flows.size()) +
           ",\"matched\":" + std::to_string(listing.matched) +
           ",\"total\":" + std::to_string(listing.total) + "}\n";
}

/// Appends the flows from `next` on until `text` is a good chunk; returns where to go on.
std::size_t append_flows(std::string& text, const Listing& listing, std::size_t next) {
    for (; next < listing.flows.size() && text.size() < kChunk; ++next) {
        text += flow_text(listing.flows[next]);
        text += next + 1 < listing.flows.size() ? ",\n" : "\n";
    }
    return next;
}

/// Counts one while it lives; false where `limit` are there already.
class Slot {
  public:
    Slot(std::atomic<std::size_t>& count, std::size_t limit) : count_(&count) {
        if (count.fetch_add(1) >= limit) {
            count.fetch_sub(1);
            count_ = nullptr;
        }
    }
    ~Slot() {
        if (count_ != nullptr) count_->fetch_sub(1);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    explicit operator bool() const { return count_ != nullptr; }

  private:
    std::atomic<std::size_t>* count_;
};

}  // namespace

std::shared_ptr<const control::Status> Shared::status() {
    const TimePoint asked = Clock::now();
    // Held while the core is asked: those who come meanwhile take the same answer, or the same
    // failure, else each would wait for the core in its turn.
    const std::lock_guard lock(mutex_);
    if (status_ != nullptr && Clock::now() - taken_ < kStatusAge) return status_;
    if (failed_ > asked) return nullptr;
    auto taken =
        calls.call<control::Status>([core = &backend] { return core->status(); }, limits.call_time);
    if (!taken) {
        failed_ = Clock::now();
        return nullptr;
    }
    status_ = std::make_shared<const control::Status>(std::move(*taken));
    taken_ = Clock::now();
    return status_;
}

void Shared::forget_status() {
    const std::lock_guard lock(mutex_);
    status_.reset();
}

Routes::Routes(Shared& shared, bool read_only) : shared_(shared), read_only_(read_only) {
    set_pre_routing_handler(
        [this](const auto& request, auto& response) { return check(request, response); });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        answer(
            response, response.status, response.status == 413 ? "body too large" : "bad request");
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response, auto) {
        answer(response, 500, "internal error");
    });
    set_logger([this](const httplib::Request&, const httplib::Response& response) {
        const auto digit = static_cast<std::size_t>(response.status / 100);
        if (digit < shared_.answers.size()) ++shared_.answers[digit];
    });
    set_payload_max_length(shared.limits.body_bytes);
    // A content provider stops when the library takes its own listening socket for closed.
    svr_sock_ = 0;

    Get("/v1/status", [this](const auto&, auto& response) { status(response); });
    Get("/v1/flows", [this](const auto& request, auto& response) { flows(request, response); });
    Get("/v1/version", [](const auto&, auto& response) {
        answer(response, Json{{"name", "vipd"}, {"version", VIPD_VERSION}, {"api", 1}});
    });
    Get("/metrics", [this](const auto&, auto& response) { metrics(response); });
    if (read_only) return;
    Post("/v1/reload", [this](const auto& request, auto& response) { reload(request, response); });
    Post("/v1/change", [this](const auto& request, auto& response) { change(request, response); });
    Post("/v1/handover",
         [this](const auto& request, auto& response) { handover(request, response); });
    Post("/v1/upgrade", [this](const auto&, auto& response) { upgrade(response); });
    Post("/v1/drain",
         [this](const auto& request, auto& response) { drain(request, response, true); });
    Post("/v1/undrain",
         [this](const auto& request, auto& response) { drain(request, response, false); });
}

void Routes::serve(Connection& connection) {
    bool closed = false;
    process_request(connection, true, closed, [](httplib::Request& request) {
        // Without this the library would read the body of a bare POST until the client closes.
        if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
            request.set_header("Content-Length", "0");
    });
    connection.finish();
}

/// Refuses what no handler is for, before a body is read.
httplib::Server::HandlerResponse Routes::check(const httplib::Request& request,
                                               httplib::Response& response) const {
    const auto refuse = [&](int code, std::string_view message) {
        answer(response, code, message);
        return HandlerResponse::Handled;
    };
    if (request.target.size() > shared_.limits.target_bytes)
        return refuse(414, "path and query are too long");
    const auto* path = std::ranges::find(kPaths, request.path, &Path::path);
    if (path == kPaths.end()) return refuse(404, "no such path; see /v1/status or /metrics");
    if (read_only_ && path->command)
        return refuse(403, "commands are only taken on the unix socket");
    const bool allowed = path->command ? request.method == "POST"
                                       : request.method == "GET" || request.method == "HEAD";
    if (!allowed) {
        response.set_header("Allow", path->command ? "POST" : "GET, HEAD");
        return refuse(405, path->command ? "use POST" : "use GET");
    }
    const auto length = request.get_header_value("Content-Length");
    const bool number = !length.empty() && length.size() <= 18 &&
                        std::ranges::all_of(length, [](char c) { return c >= '0' && c <= '9'; });
    if (!length.empty() && !number) return refuse(400, "Content-Length is not a number");
    if (number && std::stoull(length) > shared_.limits.body_bytes)
        return refuse(413, "body too large");
    return HandlerResponse::Unhandled;
}

void Routes::status(httplib::Response& response) {
    const auto status = shared_.status();
    if (status == nullptr) return answer_busy(response, "the daemon is busy; try again");
    answer(response, to_json(*status));
}

void Routes::metrics(httplib::Response& response) {
    const auto status = shared_.status();
    if (status == nullptr) return answer_busy(response, "the daemon is busy; try again");
    Exposition out;
    write_metrics(out, *status);
    out.family("vipd_api_answers_total", "counter", "Answers of the API by class of status code.");
    for (std::size_t i = 2; i < shared_.answers.size(); ++i)
        out.sample({{"code", std::to_string(i) + "xx"}}, shared_.answers[i].load());
    response.set_content(out.text(), "text/plain; version=0.0.4; charset=utf-8");
}

/// Scans the whole table, a part at a time between the core's other work. nullptr: the core does
/// not answer, or the server ends.
std::shared_ptr<const Listing> Routes::scan(const FlowFilter& filter) {
    // Shared with the loop: a call that comes too late for us still finds what it fills.
    auto listing = std::make_shared<Listing>();
    std::uint64_t cursor = 0;
    do {
        const auto next = shared_.calls.call<std::uint64_t>(
            [core = &shared_.backend, listing, filter, cursor] {
                return core->scan_flows(cursor, kSlotsPerCall, [&](const dataplane::Flow& flow) {
                    ++listing->total;
                    if (!filter.matches(flow)) return;
                    ++listing->matched;
                    if (listing->flows.size() < filter.limit()) listing->flows.push_back(flow);
                });
            },
            shared_.limits.call_time);
        if (!next) return nullptr;
        cursor = *next;
    } while (cursor != 0);
    return listing;
}

void Routes::flows(const httplib::Request& request, httplib::Response& response) {
    const std::vector<FlowFilter::Parameter> parameters(request.params.begin(),
                                                        request.params.end());
    const auto filter = FlowFilter::parse(parameters, shared_.limits.flows);
    if (!filter) return answer(response, 400, filter.error().message);
    auto slot = std::make_shared<Slot>(scans_, shared_.limits.scans);
    if (!*slot) return answer_busy(response, "too many flow listings at a time; try again");

    const auto listing = scan(*filter);
    if (listing == nullptr) return answer_busy(response, "the daemon is busy; try again");
    response.status = 200;
    if (listing->flows.size() <= FlowFilter::kDefaultLimit) {
        std::string text(kListingHead);
        for (std::size_t next = 0; next < listing->flows.size();) {
            std::string part;
            next = append_flows(part, *listing, next);
            text += part;
        }
        return response.set_content(text + listing_tail(*listing), std::string(kJson));
    }
    response.set_chunked_content_provider(
        std::string(kJson),
        [listing, slot, next = std::size_t{0}](std::size_t, httplib::DataSink& sink) mutable {
            std::string text(next == 0 ? kListingHead : "");
            next = append_flows(text, *listing, next);
            const bool last = next == listing->flows.size();
            if (last) text += listing_tail(*listing);
            if (!sink.write(text.data(), text.size())) return false;
            if (last) sink.done();
            return true;
        });
}

namespace {

struct ReloadRequest {
    bool dry_run = false;
    bool confirm = false;
    std::optional<Seconds> confirm_within;
};

Result<ReloadRequest> reload_request(const std::string& text) {
    ReloadRequest request;
    if (text.empty()) return request;
    const auto body = Json::parse(text, nullptr, false);
    if (!body.is_object()) return fail("the body is not a JSON object");
    for (const auto& [name, value] : body.items()) {
        if (name == "dry_run" && value.is_boolean())
            request.dry_run = value.get<bool>();
        else if (name == "confirm" && value.is_boolean())
            request.confirm = value.get<bool>();
        else if (name == "confirm_within_s" && value.is_number_unsigned() &&
                 value.get<std::uint64_t>() >= 1 &&
                 value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kLongestConfirm.count()))
            request.confirm_within = Seconds(value.get<std::int64_t>());
        else
            return fail(
                "expected {\"dry_run\": true}, {\"confirm\": true} or "
                "{\"confirm_within_s\": 1 to 86400}");
    }
    if (request.dry_run + request.confirm + request.confirm_within.has_value() > 1)
        return fail("dry_run, confirm and confirm_within_s exclude one another");
    return request;
}

}  // namespace

void Routes::plan_reload(httplib::Response& response) {
    const auto plan = shared_.calls.call<Result<control::ReloadPlan>>(
        [core = &shared_.backend] { return core->plan_reload(); }, shared_.limits.command_time);
    if (!plan) return answer_busy(response, "the daemon is busy; try again");
    if (!*plan) return answer(response, 409, plan->error().message);
    answer(response, to_json(**plan));
}

void Routes::reload(const httplib::Request& http, httplib::Response& response) {
    const auto request = reload_request(http.body);
    if (!request) return answer(response, 400, request.error().message);
    if (request->dry_run) return plan_reload(response);
    const auto done = shared_.calls.call<Result<>>(
        [core = &shared_.backend, request = *request] {
            return request.confirm ? core->confirm_reload() : core->reload(request.confirm_within);
        },
        shared_.limits.command_time);
    shared_.forget_status();
    if (!done)
        return answer_busy(response, "the daemon is busy; whether it will reload is in the status");
    if (!*done) return answer(response, 409, done->error().message);
    const char* message = request->confirm          ? "confirmed"
                          : request->confirm_within ? "reloaded, to be confirmed"
                                                    : "reloaded";
    answer(response, Json{{"message", message}});
}

void Routes::change(const httplib::Request& request, httplib::Response& response) {
    const auto command = live_command(request.body);
    if (!command) return answer(response, 400, command.error().message);
    const auto done = shared_.calls.call<Result<>>(
        [core = &shared_.backend, command = *command] { return core->change(command); },
        shared_.limits.command_time);
    shared_.forget_status();
    if (!done)
        return answer_busy(response, "the daemon is busy; what has changed is in the status");
    if (!*done) return answer(response, 409, done->error().message);
    answer(response, Json{{"message", "changed"}});
}

void Routes::handover(const httplib::Request& request, httplib::Response& response) {
    std::string instance;
    Millis hold = kDefaultHold;
    if (!request.body.empty()) {
        const auto body = Json::parse(request.body, nullptr, false);
        if (!body.is_object()) return answer(response, 400, "the body is not a JSON object");
        for (const auto& [name, value] : body.items()) {
            if (name == "instance" && value.is_string())
                instance = value.get<std::string>();
            else if (name == "hold_ms" && value.is_number_unsigned() &&
                     value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kLongestHold.count()))
                hold = Millis(value.get<std::int64_t>());
            else
                return answer(response,
                              400,
                              "expected {\"instance\": \"NAME\", \"hold_ms\": 0 to 86400000}, both "
                              "optional");
        }
    }
    auto done = shared_.calls.call<Result<std::string>>(
        [core = &shared_.backend, instance, hold] { return core->handover(instance, hold); },
        shared_.limits.command_time);
    shared_.forget_status();
    if (!done)
        return answer_busy(response, "the daemon is busy; whether it hands over is in the status");
    if (!*done) return answer(response, 409, done->error().message);
    answer(response, Json{{"message", **done}});
}

void Routes::upgrade(httplib::Response& response) {
    auto done = shared_.calls.call<Result<std::string>>(
        [core = &shared_.backend] { return core->upgrade(); }, shared_.limits.command_time);
    shared_.forget_status();
    if (!done) return answer_busy(response, "the daemon is busy; the status will tell");
    if (!*done) return answer(response, 409, done->error().message);
    answer(response, Json{{"message", **done}});
}

void Routes::drain(const httplib::Request& request, httplib::Response& response, bool begin) {
    const auto body = Json::parse(request.body, nullptr, false);
    control::DrainTarget target;
    Millis limit = kDefaultDrain;
    bool node = false;
    bool good = body.is_object();
    if (good)
        for (const auto& [name, value] : body.items()) {
            if (name == "service" && value.is_string()) {
                target.service = parse_service(value.get<std::string>());
                good = good && target.service;
            } else if (name == "real" && value.is_string()) {
                target.real = parse_endpoint(value.get<std::string>());
                good = good && target.real;
            } else if (name == "node" && value == true) {
                node = true;
            } else if (name == "limit_ms" && value.is_number_unsigned() &&
                       value.get<std::uint64_t>() <=
                           static_cast<std::uint64_t>(kLongestHold.count())) {
                limit = Millis(value.get<std::int64_t>());
            } else {
                good = false;
            }
        }
    if (!good || node != target.node())
        return answer(response,
                      400,
                      "expected {\"real\": \"A:PORT\", \"service\": \"A:PORT/TCP\", \"limit_ms\": "
                      "0 to 86400000}, either or both of the first two, or {\"node\": true}");
    auto done = shared_.calls.call<Result<std::string>>(
        [core = &shared_.backend, target, limit, begin] {
            return begin ? core->drain(target, limit) : core->undrain(target);
        },
        shared_.limits.command_time);
    shared_.forget_status();
    if (!done) return answer_busy(response, "the daemon is busy; the status will tell");
    if (!*done) return answer(response, 409, done->error().message);
    answer(response, Json{{"message", **done}});
}

}  // namespace vipd::api
