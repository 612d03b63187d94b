"""The echoing side of test/support/echo-peers.ts with Debian's python3-websockets, in both roles.

It listens on a free port and prints it. Each line of its input is a URL that it connects to. At the end of each
connection it prints how that has ended, as JSON. It ends with its input.
"""
import asyncio
import json
import sys

import websockets


async def fragments(message, size):
    for at in range(0, max(1, len(message)), size):
        yield message[at : at + size]


async def obey(peer, order, words):
    if order == "!send":
        await peer.send(bytes(int(words)))
    elif order == "!close":
        code, _, reason = words.partition(" ")
        await peer.close(int(code), reason)
    elif order == "!ping":
        pong = await peer.ping(words)
        await pong
        await peer.send("pong " + words)


async def echo(peer, path=None):
    size = 0
    try:
        async for message in peer:
            order, _, words = message.partition(" ") if isinstance(message, str) else ("", "", "")
            if order == "!fragments":
                size = int(words)
            elif order.startswith("!"):
                # A pong is read by the loop itself.
                asyncio.ensure_future(obey(peer, order, words))
            elif size > 0:
                await peer.send(fragments(message, size))
                size = 0
            else:
                await peer.send(message)
    except websockets.ConnectionClosed:
        pass
    await peer.wait_closed()
    print(json.dumps({"code": peer.close_code, "reason": peer.close_reason or ""}), flush=True)


async def connect(url):
    async with websockets.connect(url, max_size=None) as peer:
        await echo(peer)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            asyncio.ensure_future(connect(line.strip()))


asyncio.run(main())
