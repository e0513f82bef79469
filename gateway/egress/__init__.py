"""The only door out: httpx over a guarded transport. Nothing else of the gateway imports an HTTP client."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import msgspec
import stamina
from msgspec import Struct
from msgspec.structs import replace

from gateway import __version__
from gateway.config import Allowed
from gateway.contract.errors import ApiUnavailable, EgressRefused, GatewayError
from gateway.contract.http import Answer, Http, judge
from gateway.egress.guard import Guard
from gateway.egress.names import Names, Resolve
from gateway.egress.pool import Pool, Target, head
from gateway.egress.transport import GuardedTransport

USER_AGENT = f"booking-webhook-gateway/{__version__}"
REPLY_CAP = 65_536
"""Bytes of a consumer's answer that are read: it says nothing that the gateway needs."""
PATIENCE = 2.0
"""Seconds a provider may ask us to wait that are waited at once; for more, the caller decides."""

_DEFAULTS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": USER_AGENT}

# httpx logs whole URLs at INFO, and the path of ours may be a token.
logging.getLogger("httpx").setLevel(logging.WARNING)


class NoAnswer(GatewayError):
    """Say why a request got no answer: names host and port, never the path."""


class Reply(Struct, frozen=True):
    """What a consumer answered. `retry_after` as it was sent."""

    status: int
    retry_after: str | None


class Egress:
    """Reach what may be reached.

    `allow`: what may be reached although not public (GATEWAY_EGRESS_ALLOW). `resolver`: asked once for each new
    connection. `http`: a client for everything else; its answers are capped at 8 MiB and its timeout bounds a whole
    exchange.
    """

    def __init__(self, allow: Sequence[Allowed] = (), *, resolver: Resolve | None = None) -> None:
        self._guard = Guard(allow)
        self._pool = Pool(self._guard, resolver or Names())
        self.http = httpx.AsyncClient(
            transport=GuardedTransport(self._guard, self._pool),
            follow_redirects=False,
            trust_env=False,
            timeout=20.0,
            headers=_DEFAULTS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )

    def check_url(self, url: str) -> None:
        """Pass a URL that may be configured; a name's addresses are checked when dialled. Raises EgressRefused."""
        self._guard.check_url(url)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post a delivery. Has no deadline of its own; the caller's ends name look-up, connecting and answer alike.

        Goes past the client: its redirects, cookies and models are not wanted here and would cost two thirds of the
        rate. A kept connection that turns out to be closed is no failure: the delivery goes again, on a new one, since
        its `webhook-id` makes both the same to the consumer. Raises EgressRefused, or NoAnswer.
        """
        target = _target(self._guard, url)
        fields = {**_DEFAULTS, **headers, "content-length": str(len(body))}
        named = [(b"host", target.authority)]
        named += [(name.encode("ascii"), value.encode("ascii")) for name, value in fields.items()]
        try:
            payload = head(b"POST", target.path, named) + body
            answer = await self._pool.exchange(target.origin, payload, REPLY_CAP, repeatable=True)
        except httpx.TransportError as error:
            raise NoAnswer(str(error)) from None
        return Reply(answer.status, answer.header(b"retry-after"))

    def provider(self, base_url: str, headers: Mapping[str, str], timeout: float = 20.0) -> Http:
        """Make the client of one provider account; `timeout` in seconds for one request, answer included."""
        return _ProviderHttp(self.http, base_url, headers, timeout)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()


@lru_cache(maxsize=1024)
def _target(guard: Guard, url: str) -> Target:
    return Target.of(guard.check_url(url))


class _ProviderHttp:
    """A provider's API, see `gateway.contract.provider.Http`. Reads and deletes are tried three times."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, headers: Mapping[str, str], timeout: float) -> None:
        self._http = http
        self._base = base_url.rstrip("/")
        self._headers = {"accept": "application/json", **headers}
        self._timeout = timeout

    async def request(
        self, method: str, path: str, *, json: object = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        if method not in ("GET", "DELETE"):  # a POST that got no answer may have done its work
            return await self._once(method, path, json, query)
        async for attempt in stamina.retry_context(on=_soon, attempts=3, wait_initial=0.2, wait_max=PATIENCE):
            with attempt:
                return await self._once(method, path, json, query)
        raise AssertionError("unreachable")

    async def _once(self, method: str, path: str, json: object, query: Mapping[str, str] | None) -> Answer:
        if not path.startswith("/"):  # `.evil.example` would make another host of the address
            raise EgressRefused("a path at a provider's API must begin with /")
        body = None if json is None else msgspec.json.encode(json)
        headers = self._headers if body is None else {**self._headers, "content-type": "application/json"}
        try:
            response = await self._http.request(
                method, self._base + path, params=query, content=body, headers=headers, timeout=self._timeout
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reached = not isinstance(error, httpx.ConnectError)
            raise ApiUnavailable(f"no answer: {error}", reached=reached) from None
        if not response.extensions["whole"]:
            raise ApiUnavailable("its answer is too large", status=response.status_code)
        content = response.content
        if response.extensions["encoded"]:
            if response.is_success:
                raise ApiUnavailable(
                    "its answer is compressed, although it was asked not to be", status=response.status_code
                )
            content = b""  # what it says is lost, not that it declined
        answer = judge(response.status_code, response.headers.get("retry-after"), content)
        return replace(answer, date=_date(response.headers.get("date")))


def _date(text: str | None) -> datetime | None:
    """Read a `Date` header (RFC 9110: always GMT); None for anything else."""
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC) if text else None
    except ValueError:
        return None


def _soon(error: Exception) -> bool:
    """Say whether it may help to ask again in a moment; not where somebody asks too often and is not told till when."""
    if not isinstance(error, ApiUnavailable):
        return False
    if error.retry_after is None:
        return error.status != HTTPStatus.TOO_MANY_REQUESTS
    return error.retry_after <= PATIENCE


def gateway_client(base_url: str, key: str) -> httpx.Client:
    """Make the CLI's client of its own gateway, which is where the operator says it is: nothing is guarded."""
    headers = {"authorization": f"Bearer {key}", "user-agent": USER_AGENT}
    return httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=60.0)


def stranger() -> httpx.Client:
    """Make a client that asks the gateway's own public URL as somebody without a key, and follows nothing."""
    return httpx.Client(headers={"user-agent": USER_AGENT}, trust_env=False, timeout=10.0)


ClientError = httpx.HTTPError
"""What that client raises when no answer comes: its callers do not import the HTTP library."""
