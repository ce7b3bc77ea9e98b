# SPDX-License-Identifier: Apache-2.0
"""Scripts, FIFO lines and mails of a life as master: vipd's are those of keepalived."""
import re

import pytest

from scapy.all import IP, Ether
from scapy.layers.vrrp import VRRPv3

from vipdlab import config, wire
from vipdlab.daemon import Keepalived, Vipd
from vipdlab.events import MAIL_PORT, Calls, FifoReader, Mailbox
from vipdlab.netns import wait_for

GLOBAL = ("enable_script_security", "script_user root",
          "notification_email {\n        admin@example.org\n        oncall@example.org\n    }",
          "notification_email_from vipd@example.org", f"smtp_server 127.0.0.1 {MAIL_PORT}",
          "smtp_helo_name lb1.example.org", "smtp_alert")


def instance(name, vrid, priority, script):
    return config.vrrp_instance(
        name, vrid=vrid, priority=priority, version=3, advert_int=0.1, vips=[f"10.77.0.{vrid}/32"],
        lines=[f'notify_{word} "{script} {name} {word}"' for word in ("master", "backup", "stop")]
        + [f'notify "{script}"'])


def life_of(lab, program):
    """Start, mastership, end of a pair of instances in a group; what was told meanwhile."""
    node = lab.node(program.program, "10.77.0.11/24" if program is Vipd else "10.77.0.12/24")
    calls, mailbox = Calls(node), Mailbox(node)
    fifo = FifoReader(f"{node.folder()}/fifo")
    text = config.global_defs("lb1", f"notify_fifo {fifo.path}", *GLOBAL)
    text += instance("VI_1", 51, 150, calls.path) + instance("VI_2", 52, 150, calls.path)
    text += (f"vrrp_sync_group VG {{\n    group {{\n        VI_1\n        VI_2\n    }}\n"
             f'    notify "{calls.path}"\n}}\n')
    daemon = program(node, text)
    daemon.start()
    fifo.wait('GROUP "VG" MASTER 0')
    wait_for(lambda: len(mailbox.mails()) >= 6, 20, lambda: f"six mails: {mailbox.subjects()}")
    daemon.stop()
    fifo.wait('GROUP "VG" STOP 0')
    wait_for(lambda: "GROUP VG STOP 0" in calls.lines(), 10, lambda: f"the STOP call: {calls.lines()}")
    mailbox.process.stop()
    told = fifo.lines()
    fifo.close()
    return told, calls.lines(), mailbox


def priorities_of(lab, program):
    """What a master tells when its own priority changes and when a weaker one speaks up."""
    node = lab.node(f"{program.program[:2]}m", "10.77.0.11/24" if program is Vipd else "10.77.0.12/24")
    peer = lab.node(f"{program.program[:2]}p", "10.77.0.99/24")
    calls, any_calls = Calls(node), Calls(node, "any.sh")
    fifo = FifoReader(f"{node.folder()}/fifo")
    value = node.write("value", "0\n")
    daemon = program(node, config.global_defs(
        "lb1", f"notify_fifo {fifo.path}", "enable_script_security", "script_user root",
        "vrrp_notify_priority_changes on")
        + f"track_file tf {{\n    file {value}\n    weight 1\n}}\n"
        + config.vrrp_instance(
            vrid=51, priority=150, version=3, advert_int=1, vips=["10.77.0.51/32"],
            lines=(f'notify_master_rx_lower_pri "{calls.path} lower"', f'notify "{any_calls.path}"',
                   "track_file {\n        tf\n    }")))
    daemon.start()
    fifo.wait('INSTANCE "VI_1" MASTER 150')
    node.write("value", "-30\n")
    fifo.wait('INSTANCE "VI_1" MASTER_PRIORITY 120')
    advert = (Ether(src=peer.mac, dst="01:00:5e:00:00:12")
              / IP(src="10.77.0.99", dst="224.0.0.18", ttl=255, proto=112)
              / VRRPv3(vrid=51, priority=100, ipcount=1, adv=100, addrlist=["10.77.0.51"]))
    wire.send(peer.ns, advert)
    fifo.wait('INSTANCE "VI_1" MASTER_RX_LOWER_PRI 120')
    wait_for(calls.lines, 10, "the script")
    daemon.stop()
    told = fifo.lines()
    fifo.close()
    return told, calls.lines(), any_calls.lines()


def test_priorities_are_told_as_keepalived_tells_them(lab):
    ours, theirs = priorities_of(lab, Vipd), priorities_of(lab, Keepalived)
    assert ours == theirs


def test_a_life_is_told_as_keepalived_tells_it(lab):
    ours, theirs = life_of(lab, Vipd), life_of(lab, Keepalived)
    # Which of two instances with one timer is master first is chance; the rest is not.
    assert ours[0][:3] == theirs[0][:3] == [
        'GROUP "VG" BACKUP 0', 'INSTANCE "VI_1" BACKUP 150', 'INSTANCE "VI_2" BACKUP 150']
    assert sorted(ours[0]) == sorted(theirs[0])
    assert ours[0][5:] == theirs[0][5:]
    # Scripts run side by side: keepalived does not order them either.
    assert sorted(ours[1]) == sorted(theirs[1])
    assert sorted(ours[2].subjects()) == sorted(theirs[2].subjects())

    def by_subject(mailbox):
        without_date = [(m["helo"], m["from"], tuple(m["to"]),
                         re.sub(r"(?m)^Date: .*$", "Date:", m["text"])) for m in mailbox.mails()]
        return sorted(without_date)

    assert by_subject(ours[2]) == by_subject(theirs[2])
