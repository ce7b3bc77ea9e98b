// SPDX-License-Identifier: Apache-2.0
#include "tools/vipadm/arguments.hpp"

namespace vipd::vipadm {

std::string usage() {
    return "Usage: vipadm [--socket=PATH] COMMAND [OPTION...]\n"
           "ipvsadm's command line for vipd. Changes hold until vipd ends; its configuration file\n"
           "is not touched.\n"
           "\n"
           "Commands\n"
           "  -A, --add-service SERVICE [-s SCHEDULER] [-b FLAGS]\n"
           "  -E, --edit-service SERVICE [-s SCHEDULER] [-b FLAGS]\n"
           "  -D, --delete-service SERVICE\n"
           "  -a, --add-server SERVICE -r SERVER [-g|-i|-m] [-w WEIGHT] [-x N] [-y N]\n"
           "  -e, --edit-server SERVICE -r SERVER [-g|-i|-m] [-w WEIGHT]\n"
           "  -d, --delete-server SERVICE -r SERVER\n"
           "  -C, --clear               take all services away\n"
           "  -L, -l, --list [SERVICE]  the table (also without any command)\n"
           "  -S, --save                the table as commands; -R, --restore reads them\n"
           "  -Z, --zero [SERVICE]      counters count from 0\n"
           "      --set TCP TCPFIN UDP  timeouts in seconds; 0 keeps one\n"
           "  -h, --help; -v, --version\n"
           "\n"
           "SERVICE is -t, -u or --sctp-service HOST:PORT, or -f MARK [-6]; SERVER is "
           "HOST[:PORT].\n"
           "\n"
           "Options of -L\n"
           "  -n, --numeric             no names\n"
           "  -c, --connection          connections instead of services\n"
           "      --timeout, --daemon   timeouts, sync daemons instead\n"
           "      --stats, --rate, --thresholds, --persistent-conn, --tun-info\n"
           "                            other columns\n"
           "      --exact               figures in full\n"
           "      --nosort              the order of the configuration\n";
}

}  // namespace vipd::vipadm
