"""A stand-in for Harmonizely and SimplyMeet.me: their webhook API as documented, and their signed calls."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar
from uuid import UUID, uuid4, uuid5

import msgspec
from litestar import Litestar, Request, Response, delete, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery
from msgspec import Struct

from gateway.contract.errors import NotUnderstood
from gateway.contract.provider import decode
from gateway.contract.signatures import sign
from gateway.contract.simulator import Hook, Scene, Simulator, troubled
from providers.harmonizely import Harmonizely

PAGE = 10
EVENTS = frozenset(Harmonizely.webhooks.events)
BOOKING = "5b8f0f0e-3c53-4b8e-9a51-0d9a3e5c7f10"
START, LATER = "2026-03-02T09:00:00+00:00", "2026-03-03T13:30:00+00:00"


class Wish(Struct):
    """The body of a request for a webhook, before anything of it is checked."""

    url: Any = None
    events: Any = None
    secret: str | None = None

    def errors(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        if not isinstance(self.url, str) or not self.url.startswith(("http://", "https://")):
            found["url"] = ["This value is not a valid URL."]
        if not isinstance(self.events, list) or not self.events or not EVENTS.issuperset(map(str, self.events)):
            found["events"] = ["One or more of the given values is invalid."]
        return found


class Simulation(Simulator):
    """`user_agent`: `Harmonizely`, or `SimplyMeet.me` as the same product says under its other name."""

    credentials: ClassVar[Mapping[str, str]] = {"api_key": "harmonizely-simulated-key"}

    def __init__(self, user_agent: str = "Harmonizely") -> None:
        super().__init__()
        self.user_agent = user_agent
        self.created: dict[str, str] = {}
        self._next = BOOKING
        self._app = troubled(self._api(), self.faults)

    @property
    def app(self) -> Any:
        return self._app

    def settings(self, base_url: str) -> dict[str, Any]:
        return {"base_url": f"{base_url}/api"}

    def headers(self, hook: Hook, word: str, body: bytes) -> tuple[tuple[str, str], ...]:
        del word  # it stands in the body only
        stated = (("content-type", "application/json"), ("user-agent", self.user_agent))
        if hook.secret is None:
            return stated
        return (*stated, sign(Harmonizely.signature, hook.secret, url=hook.url, body=body, at=datetime.now(UTC)))

    def story(self) -> Sequence[Scene]:
        moved = {"previous_scheduled_at": START, "reason": "A train is late"}
        ended = {"reason": "No longer needed", "canceled_by": "invitee"}
        told = partial(_scene, self._next)
        self._next = str(uuid4())  # a story that is told again is another meeting's
        return (
            told("a meeting is booked", "meetingScheduled", "booking.scheduled"),
            told("it is moved", "meetingRescheduled", "booking.rescheduled", scheduled_at=LATER, rescheduling=moved),
            told(
                "it is cancelled",
                "meetingCancelled",
                "booking.cancelled",
                scheduled_at=LATER,
                canceled_at="2026-03-01T18:00:00+00:00",
                state="canceled",
                cancellation=ended,
            ),
            told("a call comes without its meeting's uuid", "meetingScheduled", None, uuid=None),
        )

    def _api(self) -> Litestar:
        @post("/api/webhooks")
        async def create(request: Request[Any, Any, Any]) -> Response[Any]:
            try:
                wish = decode(await request.body(), Wish)
            except NotUnderstood:
                wish = Wish()
            if errors := wish.errors():
                return Response({"message": "Invalid arguments", "errors": errors}, status_code=422)
            hook = Hook(id=str(uuid4()), url=wish.url, events=tuple(wish.events), secret=wish.secret)
            self.hooks[hook.id], self.created[hook.id] = hook, datetime.now(UTC).isoformat(timespec="seconds")
            return Response(self._shown(hook), status_code=201)

        @get("/api/webhooks")
        async def index(page: FromQuery[int] = 1, limit: FromQuery[int] = PAGE) -> dict[str, Any]:
            page, limit = max(1, page), min(max(1, limit), PAGE)
            hooks, pages = list(self.hooks.values()), max(1, -(-len(self.hooks) // limit))
            href = "/api/webhooks?page={}&limit={}".format
            return {
                "page": page,
                "limit": limit,
                "pages": pages,
                "total": len(hooks),
                "_embedded": {"items": [self._shown(hook) for hook in hooks[(page - 1) * limit : page * limit]]},
                "_links": {
                    name: {"href": href(n, limit)} for name, n in (("self", page), ("first", 1), ("last", pages))
                },
            }

        @delete("/api/webhooks/{hook_id:str}", status_code=204)
        async def remove(hook_id: FromPath[str]) -> None:
            if self.hooks.pop(hook_id, None) is None:
                raise HTTPException("Not found.", status_code=404)

        return Litestar(
            [create, index, remove],
            before_request=self._log_in,
            exception_handlers={HTTPException: _refusal},
            openapi_config=None,
        )

    async def _log_in(self, request: Request[Any, Any, Any]) -> None:
        """Check the key. What they answer to a wrong one is not documented."""
        given = request.headers.get("x-api-key")
        if given != self.credentials["api_key"]:
            raise HTTPException("Access denied." if given else "Log in first.", status_code=403 if given else 401)

    def _shown(self, hook: Hook) -> dict[str, Any]:
        created = self.created.get(hook.id, START)
        return {"events": hook.events, "url": hook.url, "secret": hook.secret, "created_at": created, "uuid": hook.id}


def _refusal(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    return Response({"code": error.status_code, "message": error.detail}, status_code=error.status_code)


def _scene(booking: str, title: str, word: str, becomes: str | None, **changes: Any) -> Scene:
    body = msgspec.json.encode(
        {"data": {**_MEETING, "uuid": booking, **changes}, "event": word, "uuid": str(uuid5(UUID(booking), title))}
    )
    return Scene(title=title, word=word, body=body, type=becomes)


_MEETING: Mapping[str, Any] = {
    "rescheduling": None,
    "event_type": {"name": "First talk", "duration": 30, "slug": "first-talk", "type": "regular", "is_secret": False},
    "scheduled_at": START,
    "end_date": None,
    "invitee": {
        "first_name": "Ada",
        "email": "ada@example.com",
        "full_name": "Ada Example",
        "timezone": "Europe/Warsaw",
        "phone_number": "+48123456789",
        "locale": "en",
    },
    "state": "new",
    "canceled_at": None,
    "notes": None,
    "details": None,
    "answers": [{"question_label": "What is it about?", "value": "A first talk", "question_type": "textarea"}],
    "location": "https://zoom.us/j/123456789",
    "cancellation": None,
    "payment": None,
}
