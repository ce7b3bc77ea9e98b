# SPDX-License-Identifier: Apache-2.0
"""What happens to real servers is told: FIFO lines, mails, scripts; and what cannot run is said."""
import os
import signal

from vipdlab import config
from vipdlab.daemon import Vipd
from vipdlab.events import MAIL_PORT, Calls, FifoReader, Mailbox
from vipdlab.netns import wait_for
from vipdlab.scenes import REALS, VIP, Balancer

R1 = REALS["r1"]


def test_real_servers_and_quorum(lab):
    scene = Balancer(lab, directors=("d1",), start=False, vrrp=False)
    vipd = scene.directors["d1"]
    mailbox = Mailbox(vipd.node)
    fifo = FifoReader(f"{vipd.node.folder()}/fifo")
    text = config.global_defs(
        "lb1", f"lvs_notify_fifo {fifo.path}", "notification_email {\n admin@example.org\n }",
        f"smtp_server 127.0.0.1 {MAIL_PORT}", "notification_email_from lb1@example.org")
    vipd.write(text + config.virtual_server(
        VIP, 80, list(REALS[r] for r in scene.reals), algo="rr", check=config.HTTP_GET,
        lines=("quorum 2", "smtp_alert")))
    vipd.start()
    for role in scene.reals:
        vipd.wait_real(REALS[role], True)
    scene.web["r1"].process.signal(signal.SIGTERM)
    name = f"[{VIP}]:tcp:80"
    fifo.wait(f"VS {name} DOWN")
    assert fifo.lines() == [f"RS [{R1}]:tcp:80 {name} DOWN", f"VS {name} DOWN"]
    wait_for(lambda: len(mailbox.mails()) == 2, 20, lambda: f"two mails: {mailbox.subjects()}")
    assert sorted(mailbox.subjects()) == [
        f"[lb1] Realserver [{R1}]:tcp:80 of virtual server {name} - DOWN",
        f"[lb1] Virtualserver {name} - DOWN"]
    fifo.close()


def test_fifo_script_startup_and_shutdown(lab):
    node = lab.node("d1", "10.77.0.11/24")
    early, late = Calls(node, "early.sh"), Calls(node, "late.sh")
    fifo = f"{node.folder()}/fifo"
    out = f"{node.folder()}/read"
    reader = node.write("reader.sh", f"#!/bin/sh\nexec cat \"$2\" > {out}\n")
    os.chmod(reader, 0o755)
    vipd = Vipd(node, config.global_defs(
        "lb1", f"vrrp_notify_fifo {fifo}", f'vrrp_notify_fifo_script "{reader} word"',
        f'startup_script "{early.path} up"', f'shutdown_script "{late.path} down"')
        + config.vrrp_instance(vips=["10.77.0.100/32"], version=3, advert_int=0.1))
    vipd.start()
    assert early.lines() == ["up"], "the roles were started before it had ended"

    def read():
        with open(out, encoding="utf-8") as file:
            return file.read()

    wait_for(lambda: os.path.exists(out) and 'INSTANCE "VI_1" MASTER 100\n' in read(), 15, "a line")
    vipd.process.signal(signal.SIGTERM)
    assert vipd.process.wait() == 0
    assert late.lines() == ["down"]
    assert not os.path.exists(fifo)


def test_a_script_that_cannot_run_counts_as_failed_and_is_said(lab):
    """keepalived counts 126 and 127 as success and says nothing."""
    node = lab.node("d1", "10.77.0.11/24")
    gone = node.write("check.sh", "#!/bin/sh\nexit 0\n")
    notify = node.write("notify.sh", "#!/bin/sh\nexit 127\n")
    for path in (gone, notify):
        os.chmod(path, 0o755)
    vipd = Vipd(node, f'vrrp_script chk {{\n    script "{gone}"\n    interval 0.2\n}}\n'
                + config.vrrp_instance(
                    vips=["10.77.0.100/32"], version=3, advert_int=0.1,
                    lines=("track_script {\n        chk\n    }", f'notify_master "{notify}"')))
    vipd.start()
    vipd.wait_state("MASTER")
    vipd.wait_log(r"notify script .*notify.sh exited with status 127")
    os.rename(gone, gone + ".away")
    vipd.wait_state("FAULT")
    vipd.wait_log(r"VRRP_Script\(chk\) failed \(not found: .*check.sh\)")
