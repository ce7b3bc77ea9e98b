# SPDX-License-Identifier: Apache-2.0
"""nginx as a real server: its own configuration and prefix, the VIP on its loopback."""
import os
import signal

from . import netns
from .lab import build_path
from .netns import LabError, wait_for

# Downloads tick along in small pieces, so that a connection that has stopped is soon noticed:
# nginx sends one piece of sendfile_max_chunk (true to the byte only without sendfile), then waits as
# long as limit_rate says.
CHUNK = 512
TICK_MS = 100
CONFIG = """
user root;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    sendfile off;
    send_timeout 300s;
    server {{
        listen {port} backlog=4096;
        listen [::]:{port} backlog=4096;
        root {folder}/www;
        add_header X-Server {name} always;
        location = / {{ return 200 "{name}\\n"; }}
        location = /upload {{ # by way of a proxy to itself: nginx reads a body only for somebody
            client_max_body_size 1m;
            proxy_pass http://127.0.0.1:{port}/;
        }}
        location = /health {{ return 200 "ok\\n"; }}
        location /download {{
            limit_rate {rate};
            sendfile_max_chunk {chunk};
            output_buffers 1 {chunk};
            postpone_output 0;
        }}
    }}
}}
"""


class Nginx:
    """nginx on a node, in the foreground as a process of the lab."""

    def __init__(self, node, name=None, port=80, prefix=()):
        self.node = node
        self.name = name or node.role
        self.port = port
        self.prefix = list(prefix)  # words before the command, to run it somewhere else
        self.process = None
        self.starts = 0
        folder = node.folder()
        os.makedirs(f"{folder}/www", exist_ok=True)
        with open(f"{folder}/www/download", "wb") as file:
            file.truncate(1 << 26)
        self.config_path = node.write("nginx.conf", CONFIG.format(
            folder=folder, name=self.name, port=port, chunk=CHUNK, rate=CHUNK * 1000 // TICK_MS))

    def start(self):
        self.starts += 1
        name = f"nginx-{self.node.role}" + (f"-{self.starts}" if self.starts > 1 else "")
        argv = ["/usr/sbin/nginx", "-e", "stderr", "-p", self.node.folder(), "-c",
                self.config_path, "-g", "daemon off;"]
        if self.prefix:
            self.process = self.node.lab.start(name, self.prefix + argv)
        else:
            self.process = self.node.start(name, argv)
        wait_for(self._listens, 10, lambda: f"nginx on {self.node.role}:\n{self.process.tail()}")
        return self

    def _listens(self):
        if not self.process.running():
            raise LabError(f"nginx ended on {self.node.role}:\n{self.process.tail()}")
        return self.node.cmd(["ss", "-Hltn", f"sport = :{self.port}"]).stdout.strip()

    def kill(self):
        """All its processes by SIGKILL: its connections end at once."""
        self.process.kill_all()

    def stop(self):
        self.process.signal(signal.SIGTERM)
        self.process.wait()


def take_vip(node, vip):
    """The real server of DR and TUN: it accepts the VIP, but never says by ARP that it has it."""
    node.sysctl(net__ipv4__conf__all__arp_ignore=1, net__ipv4__conf__all__arp_announce=2)
    node.ip(f"addr add {vip}/32 dev lo")


def decapsulate(node):
    """Strips the outer header of IPIP packets on the node's eth0. An XDP program of the tests' own,
    so that the kernel needs no tunnel device."""
    netns.attach_xdp(node.ns, "eth0", build_path("tests/support/decap.bpf.o"))
