"""What there is to compare with: an empty Litestar route on the gateway's own server settings, and a bare client."""

import asyncio
import ipaddress
import os
import socket
import sys
import time

import uvloop
from litestar import Litestar, Request, post
from litestar.datastructures import State

from gateway.config import Allowed
from gateway.egress import Egress
from gateway.web.listening import Server


@post("/bare", status_code=200)
async def bare(request: Request[None, None, State]) -> dict[str, str]:
    """Read the body, store nothing."""
    await request.body()
    return {"status": "accepted"}


async def serve() -> None:
    """Serve the empty route; prints the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    print(listening.getsockname()[1], flush=True)
    await Server(Litestar([bare], openapi_config=None, logging_config=None), 1 << 20, listening).serve()


async def client(url: str, count: int) -> None:
    """Post 1.5 KB bodies through the gateway's door, 64 at a time, with nothing else around it; prints the rate."""
    egress = Egress([Allowed(ipaddress.ip_network("127.0.0.1/32"), None)])
    body = b'{"x": "' + b"x" * 1500 + b'"}'
    left = iter(range(count))

    async def lane() -> None:
        for number in left:
            response = await egress.http.post(url, content=body, headers={"webhook-id": f"bare-{number}"})
            assert response.status_code == 200

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(64)))
    print(count / (time.perf_counter() - began), flush=True)
    await egress.aclose()


if __name__ == "__main__":
    os.umask(0o077)
    uvloop.run(serve() if sys.argv[1] == "serve" else client(sys.argv[2], int(sys.argv[3])))
