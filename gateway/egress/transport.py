"""httpx's transport over our own connections."""

import asyncio

import httpx

from gateway.egress.guard import Guard
from gateway.egress.pool import Pool, Target, head

CAP = 8 << 20
"""Bytes of an answer's body that are read when the request does not say."""
CODING = b"content-encoding"


class GuardedTransport(httpx.AsyncBaseTransport):
    """Send requests to allowed addresses only. Follows nothing, keeps nothing, undoes no content coding.

    Of an answer at most `extensions["cap"]` bytes of body are read; `response.extensions["whole"]` says whether that
    was all of it, `["encoded"]` whether it is compressed although it was asked not to be: then httpx is not told, which
    would make any size of it. The client's read timeout bounds the whole exchange, not one read.
    """

    def __init__(self, guard: Guard, pool: Pool) -> None:
        self._guard = guard
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        target = Target.of(self._guard.check_url(str(request.url)))
        payload = head(request.method.encode("ascii"), target.path, request.headers.raw) + await request.aread()
        deadline = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(deadline):
                answer = await self._pool.exchange(
                    target.origin,
                    payload,
                    request.extensions.get("cap", CAP),
                    repeatable=request.method in ("GET", "PUT", "DELETE"),
                )
        except TimeoutError:
            if deadline is None:
                raise
            raise httpx.ReadTimeout(f"no answer within {deadline:g} s") from None
        plain = [(name, value) for name, value in answer.headers if name.lower() != CODING]
        codings = [value for name, value in answer.headers if name.lower() == CODING]
        encoded = any(value.strip().lower() not in (b"", b"identity") for value in codings)
        return httpx.Response(
            answer.status,
            headers=plain,
            stream=httpx.ByteStream(answer.body),
            extensions={"whole": answer.whole, "encoded": encoded},
        )

    async def aclose(self) -> None:
        self._pool.close()
