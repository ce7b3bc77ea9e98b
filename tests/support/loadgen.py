#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The client of the lab: long downloads and a steady stream of short requests, in one process.

    loadgen.py ADDRESS PORT

Takes commands on stdin, one JSON object a line, and answers each on stdout with one line:

    {"do": "downloads", "want": 1000}   open downloads until so many are open, once
    {"do": "requests", "rate": 50}      begin that many short requests each second
    {"do": "step"}                      forget what was counted: a new step begins
    {"do": "report"}                    what happened since the step began
    {"do": "stop"}                      end

A download is broken if it is reset, ends before its length, or is silent. Whether silence counts is
for the reader of the report to say: `silent_ms` is the present silence of the quietest open one.
Requests are begun by the clock, whatever becomes of the ones before: a gap between two successes is
then the time in which the service did not answer, not the patience of TCP's retransmissions.
"""
import errno
import json
import os
import resource
import select
import socket
import sys
import time

CONNECT_TIMEOUT = 10.0
REQUEST_TIMEOUT = 5.0
OPEN_PER_SECOND = 400
READ, WRITE = select.EPOLLIN, select.EPOLLOUT


class Connection:
    __slots__ = ("sock", "kind", "begun", "last", "server", "length", "received", "head", "sent")

    def __init__(self, sock, kind, now):
        self.sock = sock
        self.kind = kind
        self.begun = self.last = now
        self.server = None  # from the X-Server header
        self.length = self.received = 0
        self.head = b""
        self.sent = False


class LoadGenerator:
    def __init__(self, address, port):
        self.target = (address, port)
        self.epoll = select.epoll()
        self.connections = {}  # fd -> Connection
        self.want = 0
        self.opened_at = 0.0
        self.rate = 0.0
        self.next_request = 0.0
        self.downloads = 0   # open, header seen
        self.opening = 0
        self.pending = set()  # requests under way
        self.last_success = None
        self.begin_step()

    def begin_step(self):
        now = time.monotonic()
        self.step_begun = now
        self.open_at_start = self.downloads
        self.broken = {}       # server -> count
        self.reasons = {}      # reason -> count
        self.open_failed = 0   # downloads that never began
        self.download_gap = 0.0
        self.requests_ok = {}  # server -> count
        self.requests_failed = {}  # reason -> count
        self.request_gap = 0.0
        self.last_failure = None

    # --- opening -----------------------------------------------------------------------------

    def start(self, kind, now):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if kind == "download":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection = Connection(sock, kind, now)
        result = sock.connect_ex(self.target)
        if result not in (0, errno.EINPROGRESS):
            sock.close()
            self.lost(connection, errno.errorcode.get(result, str(result)))
            return
        fd = sock.fileno()
        self.connections[fd] = connection
        if kind == "request":
            self.pending.add(connection)
        else:
            self.opening += 1
        self.epoll.register(fd, WRITE)

    def begin(self, now):
        """What the clock asks for."""
        missing = self.want - self.downloads - self.opening
        if self.downloads >= self.want:
            self.want = 0  # what breaks from now on stays broken, to be seen
        while missing > 0 and self.opening < 200 and now - self.opened_at >= 1 / OPEN_PER_SECOND:
            self.opened_at = max(self.opened_at + 1 / OPEN_PER_SECOND, now - 0.02)
            missing -= 1
            self.start("download", now)
        while self.rate and now >= self.next_request:
            self.next_request = max(self.next_request + 1 / self.rate, now - 0.1)
            self.start("request", now)

    # --- ends --------------------------------------------------------------------------------

    def close(self, connection):
        fd = connection.sock.fileno()
        self.epoll.unregister(fd)
        del self.connections[fd]
        self.pending.discard(connection)
        connection.sock.close()

    def lost(self, connection, reason):
        """A connection ended as it should not have."""
        if connection.kind == "request":
            self.requests_failed[reason] = self.requests_failed.get(reason, 0) + 1
            self.last_failure = time.monotonic()
        elif connection.server is None:
            self.open_failed += 1
        else:
            server = connection.server
            self.broken[server] = self.broken.get(server, 0) + 1
            self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def ended(self, connection, reason):
        self.close(connection)
        if connection.kind == "download":
            if connection.server is None:
                self.opening -= 1
            else:
                self.downloads -= 1
        self.lost(connection, reason)

    def succeeded(self, connection, now):
        self.close(connection)
        self.requests_ok[connection.server] = self.requests_ok.get(connection.server, 0) + 1
        if self.last_success is not None:
            self.request_gap = max(self.request_gap, now - self.last_success)
        self.last_success = now

    # --- events ------------------------------------------------------------------------------

    def writable(self, connection):
        error = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self.ended(connection, errno.errorcode.get(error, str(error)))
            return
        connection.sent = True
        path = "/download" if connection.kind == "download" else "/"
        connection.sock.send(f"GET {path} HTTP/1.0\r\nHost: {self.target[0]}\r\n\r\n".encode())
        self.epoll.modify(connection.sock.fileno(), READ)

    def readable(self, connection, now):
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.ended(connection, errno.errorcode.get(error.errno, str(error.errno)))
            return
        if connection.server is None:
            if data:
                connection.head += data
                self.header(connection, now)
            else:
                self.ended(connection, "EOF before the header")
            return
        if connection.kind == "download":
            gap = now - connection.last
            if gap > self.download_gap:
                self.download_gap = gap
        connection.last = now
        connection.received += len(data)
        if data:
            return
        if connection.kind == "request" and connection.received >= connection.length:
            self.succeeded(connection, now)
        else:
            self.ended(connection, "EOF before the end")

    def header(self, connection, now):
        head, found, body = connection.head.partition(b"\r\n\r\n")
        if not found:
            return
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in
                  (line.partition(": ") for line in lines[1:])}
        if lines[0].split()[1:2] != ["200"]:
            self.ended(connection, lines[0])
            return
        if connection.kind == "download":
            self.opening -= 1
            self.downloads += 1
        connection.server = fields.get("x-server", "?")
        connection.length = int(fields.get("content-length", "0"))
        connection.received = len(body)
        connection.last = now
        connection.head = b""

    def overdue(self, now):
        for connection in [c for c in self.pending if now - c.begun > REQUEST_TIMEOUT]:
            self.ended(connection, "timeout")
        if self.opening:
            for connection in [c for c in self.connections.values()
                               if c.kind == "download" and c.server is None
                               and now - c.begun > CONNECT_TIMEOUT]:
                self.ended(connection, "timeout")

    # --- talk --------------------------------------------------------------------------------

    def report(self):
        now = time.monotonic()
        by_server = {}
        silent = 0.0
        for connection in self.connections.values():
            if connection.kind == "download" and connection.server is not None:
                by_server[connection.server] = by_server.get(connection.server, 0) + 1
                silent = max(silent, now - connection.last)
        request_gap = self.request_gap
        if self.rate and self.last_success is not None:
            request_gap = max(request_gap, now - self.last_success)
        return {"seconds": now - self.step_begun, "open_at_start": self.open_at_start,
                "open": self.downloads, "opening": self.opening, "by_server": by_server,
                "broken": self.broken, "reasons": self.reasons, "open_failed": self.open_failed,
                "silent_ms": round(silent * 1000),
                "download_gap_ms": round(max(self.download_gap, silent) * 1000),
                "requests_ok": self.requests_ok, "requests_failed": self.requests_failed,
                "since_failure_ms": None if self.last_failure is None
                else round((now - self.last_failure) * 1000),
                "request_gap_ms": round(request_gap * 1000)}

    def silent_servers(self, limit):
        """Open downloads that have had no byte for so many seconds, by server."""
        now = time.monotonic()
        found = {}
        for connection in self.connections.values():
            if (connection.kind == "download" and connection.server is not None
                    and now - connection.last > limit):
                found[connection.server] = found.get(connection.server, 0) + 1
        return found

    def obey(self, command):
        what = command["do"]
        if what == "downloads":
            self.want = command["want"]
            self.opened_at = time.monotonic()
        elif what == "requests":
            self.rate = command["rate"]
            self.next_request = time.monotonic()
        elif what == "step":
            self.begin_step()
        elif what == "silent":
            return {"silent": self.silent_servers(command["seconds"])}
        elif what == "stop":
            sys.exit(0)
        elif what != "report":
            return {"error": f"unknown command {what}"}
        return self.report()

    def run(self):
        stdin = sys.stdin.fileno()
        os.set_blocking(stdin, False)
        self.epoll.register(stdin, READ)
        buffered = b""
        checked = 0.0
        while True:
            now = time.monotonic()
            self.begin(now)
            if now - checked > 0.1:
                checked = now
                self.overdue(now)
            for fd, _ in self.epoll.poll(0.005):
                if fd == stdin:
                    data = os.read(stdin, 65536)
                    if not data:
                        return  # whoever started us is gone
                    buffered += data
                    *lines, buffered = buffered.split(b"\n")
                    for line in lines:
                        print(json.dumps(self.obey(json.loads(line))), flush=True)
                    continue
                connection = self.connections.get(fd)
                if connection is None:
                    continue
                if connection.sent:
                    self.readable(connection, time.monotonic())
                else:
                    self.writable(connection)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    LoadGenerator(sys.argv[1], int(sys.argv[2])).run()
