// SPDX-License-Identifier: Apache-2.0
#include "tools/vipadm/verb_rules.hpp"

#include <map>

namespace vipd::vipadm {

const VerbRules& rules_of(Verb verb) {
    using enum What;
    static const Whats kServer{
        Forward, Weight, Upper, Lower, TunInfo, TunType, TunPort, TunNocsum, TunCsum, TunRemcsum};
    static const Whats kMake{Scheduler, Persistent, Netmask, OnePacket, Engine, Flags};
    static const Whats kSync{Mcast, Syncid, Group, Port, Ttl, Maxlen};
    static const Whats kList{Numeric,
                             Connection,
                             Service,
                             Timeout,
                             Daemon,
                             Stats,
                             Rate,
                             Thresholds,
                             PersistentConn,
                             Nosort,
                             Exact,
                             TunInfo};
    static const std::map<Verb, VerbRules> kRules{
        {Verb::AddService, {"add-service", {Service}, kMake}},
        {Verb::EditService, {"edit-service", {Service}, kMake}},
        {Verb::DeleteService, {"delete-service", {Service}, {}}},
        {Verb::Flush, {"flush", {}, {}}},
        {Verb::Restore, {"restore", {}, {Numeric}}},
        {Verb::Save, {"save", {}, {Numeric, Nosort}}},
        {Verb::AddServer, {"add-server", {Service, Server}, kServer}},
        {Verb::DeleteServer, {"delete-server", {Service, Server}, {}}},
        {Verb::EditServer, {"edit-server", {Service, Server}, kServer}},
        {Verb::List, {"list", {}, kList}},
        {Verb::Zero, {"zero", {}, {Service}}},
        {Verb::SetTimeouts, {"set", {}, {}}},
        {Verb::StartDaemon, {"start-daemon", {}, kSync}},
        {Verb::StopDaemon, {"stop-daemon", {}, kSync}},
        {Verb::Help, {"help", {}, {}}},
        {Verb::Version, {"version", {}, {}}}};
    return kRules.at(verb);
}

}  // namespace vipd::vipadm
