# SPDX-License-Identifier: Apache-2.0
"""What a director tells the world, collected: lines of a FIFO, calls of a script, mails."""
import json
import os

from .netns import wait_for

MAILBOX = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "mailbox.py")
MAIL_PORT = 2525


class FifoReader:
    """Made before the daemon starts, so that no line is missed."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.text = ""

    def lines(self):
        try:
            while part := os.read(self.fd, 65536):
                self.text += part.decode()
        except BlockingIOError:
            pass
        return self.text.splitlines()

    def wait(self, line, timeout=20):
        wait_for(lambda: line in self.lines(), timeout, lambda: f"{line!r} among {self.lines()}")

    def close(self):
        os.close(self.fd)


class Calls:
    """A script that notes the words it is called with, a line each."""

    def __init__(self, node, name="note.sh"):
        self.out = f"{node.folder()}/{name}.called"
        self.path = node.write(name, f"#!/bin/sh\necho \"$*\" >> {self.out}\n")
        os.chmod(self.path, 0o755)

    def lines(self):
        try:
            with open(self.out, encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []


class Mailbox:
    """A mail server on the node's loopback."""

    def __init__(self, node):
        self.file = f"{node.folder()}/mails"
        self.process = node.start("mailbox", ["/usr/bin/python3", MAILBOX, str(MAIL_PORT), self.file])
        wait_for(lambda: os.path.exists(self.file), 10, "the mail server")

    def mails(self):
        with open(self.file, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def subjects(self):
        return [line[9:] for mail in self.mails() for line in mail["text"].splitlines()
                if line.startswith("Subject: ")]
