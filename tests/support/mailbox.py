# SPDX-License-Identifier: Apache-2.0
"""A mail server: mailbox.py PORT FILE. Takes every mail; each becomes a line of JSON in the file."""
import asyncio
import json
import sys

PORT, FILE = int(sys.argv[1]), sys.argv[2]


async def serve(reader, writer):
    mail = {"helo": None, "from": None, "to": [], "text": ""}

    async def say(line):
        writer.write(line.encode() + b"\r\n")
        await writer.drain()

    await say("220 mailbox")
    while line := (await reader.readline()).decode(errors="replace"):
        word, _, rest = line.rstrip("\r\n").partition(" ")
        if word == "HELO":
            mail["helo"] = rest
        elif word == "MAIL":
            mail["from"] = rest
        elif word == "RCPT":
            mail["to"].append(rest)
        elif word == "DATA":
            await say("354 go on")
            while (line := (await reader.readline()).decode(errors="replace")) not in (".\r\n", ""):
                mail["text"] += line
            with open(FILE, "a", encoding="utf-8") as out:
                out.write(json.dumps(mail) + "\n")
        elif word == "QUIT":
            await say("221 bye")
            break
        await say("250 ok")
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    with open(FILE, "a", encoding="utf-8"):
        pass
    async with server:
        await server.serve_forever()


asyncio.run(main())
