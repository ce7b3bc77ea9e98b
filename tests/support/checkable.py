# SPDX-License-Identifier: Apache-2.0
"""checkable.py KEY: a server that every kind of checker is content with. DNS and echo on UDP 53, mail on
TCP 2525, a page on TCP 8080 and by TLS on 8443 (KEY, KEY.crt) for those who ask for www.example.org."""
import asyncio
import ssl
import sys


class Udp(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        if data.startswith(b"ping"):
            self.transport.sendto(b"pong", addr)
        elif len(data) >= 12:
            self.transport.sendto(data[:2] + bytes([data[2] | 0x80, 0]) + data[4:], addr)


async def mail(reader, writer):
    writer.write(b"220 checkable ESMTP\r\n")
    while line := await reader.readline():
        writer.write(b"221 bye\r\n" if line.startswith(b"QUIT") else b"250 hello\r\n")
        if line.startswith(b"QUIT"):
            break
    await writer.drain()
    writer.close()


async def page(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nhello\nall is well\n")
    await writer.drain()
    writer.close()


def tls():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1] + ".crt", sys.argv[1])

    def asked_for(_, name, __):
        return None if name == "www.example.org" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = asked_for
    return context


async def main():
    await asyncio.get_running_loop().create_datagram_endpoint(Udp, ("0.0.0.0", 53))
    servers = [await asyncio.start_server(mail, "0.0.0.0", 2525),
               await asyncio.start_server(page, "0.0.0.0", 8080),
               await asyncio.start_server(page, "0.0.0.0", 8443, ssl=tls())]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
