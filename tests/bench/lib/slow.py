"""A service that answers after five seconds, and those who wait for it: `slow.py PORT THROUGH CALLERS`.

Serves on PORT, and lets CALLERS ask for `/slow` on port THROUGH, each again as soon as it was answered.
"""

import asyncio
import sys

# How long an answer takes.
SECONDS = 5
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ASKED = b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def serve(reader, writer):
    while await head(reader):
        await asyncio.sleep(SECONDS)
        writer.write(ANSWER)
    writer.close()


async def call(port):
    """Asks on, over a new connection where the old one has ended."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while True:
                writer.write(ASKED)
                if not await head(reader):
                    break
        except OSError:
            await asyncio.sleep(1)


async def head(reader):
    """One head without a body; empty at the end."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


async def main(port, through, callers):
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await asyncio.gather(server.serve_forever(), *(call(through) for _ in range(callers)))


asyncio.run(main(*(int(word) for word in sys.argv[1:4])))
