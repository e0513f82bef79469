"""meetergo on loopback: the webhook API with its errors, and the calls it would make, each with a `secret`."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
from litestar import Litestar, Request, Response, delete, get, patch, post
from litestar.params import FromPath

from gateway.contract.simulator import BookingSimulator, Hook, Scene, troubled
from providers.meetergo.api import Webhooks

PERSONAL = "rgo-simulated-personal-token"
PLATFORM = "ak_live:simulated-platform-key"
OWNER = "user-simulated-owner"
COMPANY = "company-simulated"
USER_HEADER = "x-meetergo-api-user-id"
MOST_HOOKS = 6
MOST_REQUESTS = 100
"""A minute."""
MOST_ON_A_PAGE = 100

Call = Request[Any, Any, Any]


class Refusal(Exception):
    """Carry one of their error answers; `message` is a text or a list of texts, as theirs is."""

    def __init__(self, status: HTTPStatus, message: str | list[str]) -> None:
        super().__init__(status)
        self.status, self.message = status, message


class Simulation(BookingSimulator):
    """One company. A platform key (`PLATFORM`) is accepted too; set `throttled` to have every request refused.

    `appointments`: as its API shows them, in the order in which they were made. `requests`: when each was made.
    """

    credentials: ClassVar[Mapping[str, str]] = {"api_key": PERSONAL}
    page = MOST_ON_A_PAGE

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(clock)
        self.throttled = False
        self.appointments: dict[str, dict[str, Any]] = {}
        self.requests: list[datetime] = []
        self._numbers = count(1)
        self._app = troubled(_api(self), self.faults)

    @property
    def app(self) -> Any:
        return self._app

    def settings(self, base_url: str) -> dict[str, Any]:
        return {"base_url": base_url}

    def headers(self, hook: Hook, word: str, body: bytes) -> tuple[tuple[str, str], ...]:
        del hook, word, body  # they do not sign
        return (("content-type", "application/json"),)

    def story(self) -> Sequence[Scene]:
        booking = self._appointment()
        moved = booking | MOVED
        nested = {"oldStartDate": booking["start"], "rescheduledAppointment": moved}
        broken = {name: value for name, value in booking.items() if name != "id"}
        return (
            _scene("Ada books a call", "booking_created", booking, "booking.scheduled"),
            _scene("She moves it", "booking_rescheduled", nested, "booking.rescheduled", older=True),
            _scene("She cancels it", "booking_cancelled", moved | CANCELLED, "booking.cancelled"),
            _scene("A booking without its id", "booking_created", broken, None),
        )

    def group(self) -> Sequence[Scene]:
        """Tell of a group: one attendee leaves, then all of it ends, in the same words and nearly the same body."""
        booking = self._appointment() | {
            "attendees": ATTENDEES,
            "meetingInfo": {"channel": "zoom", "groupBooking": True},
        }
        left = booking | CANCELLED | {"isCancelled": False, "attendees": ATTENDEES[1:]}
        ended = left | {"isCancelled": True, "updatedAt": "2026-03-03T09:00:00.000Z"}
        return (
            _scene("Three book a class", "booking_created", booking, "booking.scheduled"),
            _scene("One of them leaves", "booking_cancelled", left, "booking.attendee_removed"),
            _scene("The class is called off", "booking_cancelled", ended, "booking.cancelled", older=True),
        )

    # --- bookings that it keeps -------------------------------------------------------------------------------------

    def book(self, **changes: Any) -> str:
        now = self.clock()
        start = now.replace(microsecond=0) + timedelta(days=7)
        made = {"start": _iso(start), "end": _iso(start + HALF_HOUR), "createdAt": _iso(now), "updatedAt": _iso(now)}
        booking = self._appointment() | made | changes
        self.appointments[booking["id"]] = booking
        self._tell("booking_created", booking)
        return str(booking["id"])

    def move(self, booking_id: str) -> None:
        booking, now = self.appointments[booking_id], _iso(self.clock())
        old, start = booking["start"], datetime.fromisoformat(booking["start"]) + timedelta(days=1)
        booking |= {"start": _iso(start), "end": _iso(start + HALF_HOUR), "rescheduledAt": now, "updatedAt": now}
        self._tell("booking_rescheduled", {"oldStartDate": old, "rescheduledAppointment": booking})

    def cancel(self, booking_id: str) -> None:
        booking, now = self.appointments[booking_id], _iso(self.clock())
        cancel = {"actionAt": now, "actionSource": "attendee", "reason": "Something came up"}  # as the API spells it
        booking |= {"isCancelled": True, "cancel": cancel, "updatedAt": now}
        called = {"cancelledAt": now, "cancelledBy": "attendee", "reason": "Something came up"}
        self._tell("booking_cancelled", booking | {"cancel": called})

    def leave(self, booking_id: str) -> None:
        """Let the first attendee of a group go."""
        booking, now = self.appointments[booking_id], _iso(self.clock())
        booking |= {"attendees": booking["attendees"][1:], "updatedAt": now}
        self._tell("booking_cancelled", booking | {"cancel": {"cancelledAt": now, "cancelledBy": "attendee"}})

    def forget(self, booking_id: str) -> None:
        del self.appointments[booking_id]

    def _tell(self, word: str, fact: Mapping[str, Any]) -> None:
        self.outbox += self.calls(word, msgspec.json.encode({"webhookType": word, **fact}))

    def _appointment(self) -> dict[str, Any]:
        return APPOINTMENT | {"id": f"appt-{next(self._numbers)}-{uuid4().hex[:8]}", "secret": uuid4().hex}


HALF_HOUR = timedelta(minutes=30)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _scene(title: str, word: str, fact: Mapping[str, Any], kind: str | None, *, older: bool = False) -> Scene:
    call = {"event": word, "data": fact} if older else {"webhookType": word, **fact}
    return Scene(title=title, word=word, body=msgspec.json.encode(call), type=kind)


ATTENDEES: list[dict[str, Any]] = [
    {
        "id": f"att-{given.lower()}",
        "email": f"{given.lower()}@example.com",
        "firstname": given,
        "lastname": family,
        "fullname": f"{given} {family}",
        "phone": None,
        "timezone": "Europe/Berlin",
        "language": "en",
    }
    for given, family in (("Ada", "Lindqvist"), ("Bo", "Okafor"), ("Cleo", "Marchetti"))
]
APPOINTMENT: dict[str, Any] = {
    "start": "2026-03-10T10:00:00+01:00",
    "end": "2026-03-10T10:30:00+01:00",
    "location": None,
    "isCancelled": False,
    "rescheduledAt": None,
    "meetingInfo": {"channel": "zoom", "meetingLink": "https://zoom.us/j/5550100200"},
    "attendees": ATTENDEES[:1],
    "hosts": [
        {
            "id": "host-dana",
            "email": "dana@example.com",
            "givenName": "Dana",
            "familyName": "Whitfield",
            "fullName": "Dana Whitfield",
        }
    ],
    "meetingType": {
        "id": "mt-intro",
        "slug": "intro-call",
        "meetingInfo": {"name": "Intro call", "duration": 30},
        "metadata": {"source": "simulator"},
    },
    "companyId": COMPANY,
    "createdAt": "2026-03-01T08:00:00.000Z",
    "updatedAt": "2026-03-01T08:00:00.000Z",
}
MOVED: dict[str, Any] = {
    "start": "2026-03-11T15:00:00+01:00",
    "end": "2026-03-11T15:30:00+01:00",
    "rescheduledAt": "2026-03-01T09:30:00.000Z",
    "updatedAt": "2026-03-01T09:30:00.000Z",
}
CANCELLED: dict[str, Any] = {
    "isCancelled": True,
    "cancel": {"cancelledAt": "2026-03-02T09:00:00.000Z", "cancelledBy": "attendee", "reason": "Something came up"},
    "updatedAt": "2026-03-02T09:00:00.000Z",
}


# --- their webhook API ---------------------------------------------------------------------------------------------


def _api(simulation: Simulation) -> Litestar:
    hooks = simulation.hooks

    async def admit(request: Call) -> None:
        if simulation.throttled or _too_many(simulation):
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "ThrottlerException: Too Many Requests")
        _authenticate(request.headers.get("authorization", ""), request.headers.get(USER_HEADER))

    @post("/webhooks")
    async def create(request: Call) -> dict[str, Any]:
        given = await _given(request)
        _check({"endpoint": None, "eventTypes": None, **given})
        if len(hooks) >= MOST_HOOKS:
            raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "Company reached maximum")
        hook = Hook(id=str(uuid4()), url="", events=())
        hooks[hook.id] = hook
        return _shown(_changed(hook, given))

    @get("/webhooks")
    async def listed() -> list[dict[str, Any]]:
        return [_shown(hook) for hook in hooks.values()]

    @patch("/webhooks/{webhook_id:str}")
    async def change(request: Call, webhook_id: FromPath[str]) -> dict[str, Any]:
        given = await _given(request)
        _check(given)
        return _shown(_changed(_known(hooks, webhook_id), given))

    @delete("/webhooks/{webhook_id:str}")
    async def remove(webhook_id: FromPath[str]) -> None:
        del hooks[_known(hooks, webhook_id).id]

    return Litestar(
        [create, listed, change, remove, *_booking_routes(simulation)],
        before_request=admit,
        exception_handlers={Refusal: _refused},
        openapi_config=None,
        logging_config=None,
    )


def _booking_routes(simulation: Simulation) -> list[Any]:
    @get("/v4/appointment/paginated")
    async def appointments(request: Call) -> dict[str, Any]:
        return _listed(list(simulation.appointments.values()), request.query_params)

    @get("/v4/appointment/{booking_id:str}")
    async def appointment(booking_id: FromPath[str]) -> dict[str, Any]:
        if booking_id not in simulation.appointments:
            raise Refusal(HTTPStatus.NOT_FOUND, "Appointment not found")
        return simulation.appointments[booking_id]

    return [appointments, appointment]


def _too_many(simulation: Simulation) -> bool:
    now = simulation.clock()
    simulation.requests = [at for at in simulation.requests if now - at < timedelta(minutes=1)] + [now]
    return len(simulation.requests) > MOST_REQUESTS


def _listed(bookings: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """List as they do: by when they begin, in pages from 0, and nothing about changes."""
    try:
        page, size = int(query.get("page", 0)), min(int(query.get("pageSize", 10)), MOST_ON_A_PAGE)
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
    except (KeyError, ValueError):
        raise Refusal(HTTPStatus.BAD_REQUEST, ["start must be a valid ISO 8601 date string"]) from None
    some = [one for one in bookings if start <= datetime.fromisoformat(one["start"]) <= end]
    some.sort(key=lambda one: str(one["createdAt"]), reverse=query.get("sortDirection") == "DESC")
    return {"appointments": some[page * size : (page + 1) * size], "total": len(some)}


def _authenticate(authorization: str, user: str | None) -> None:
    """A personal token acts as its owner and as nobody else; a platform key must say whom it acts for."""
    match authorization.removeprefix("Bearer "):
        case key if key == PERSONAL:
            if user not in (None, OWNER):
                raise Refusal(HTTPStatus.FORBIDDEN, "A personal access token cannot act for another user")
        case key if key == PLATFORM:
            if not user:
                raise Refusal(HTTPStatus.BAD_REQUEST, f"{USER_HEADER} header is required")
        case _:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized")


async def _given(request: Call) -> dict[str, Any]:
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Refusal(HTTPStatus.BAD_REQUEST, "Unexpected token in JSON") from None


def _check(given: Mapping[str, Any]) -> None:
    """Refuse in their way, all complaints in one list. Only what is given is checked, since a PATCH gives some."""
    complaints = []
    if "endpoint" in given and not str(given["endpoint"]).startswith(("https://", "http://")):
        complaints.append("endpoint must be a URL address")
    if "eventTypes" in given:
        if not given["eventTypes"]:
            complaints.append("eventTypes must contain at least 1 elements")
        elif not isinstance(given["eventTypes"], list) or not set(Webhooks.events).issuperset(given["eventTypes"]):
            complaints.append(
                "each value in eventTypes must be one of the following values: " + ", ".join(Webhooks.events)
            )
    if complaints:
        raise Refusal(HTTPStatus.BAD_REQUEST, complaints)


def _known(hooks: Mapping[str, Hook], webhook_id: str) -> Hook:
    if webhook_id not in hooks:
        raise Refusal(HTTPStatus.NOT_FOUND, "Webhook not found")
    return hooks[webhook_id]


def _changed(hook: Hook, given: Mapping[str, Any]) -> Hook:
    hook.url = given.get("endpoint", hook.url)
    hook.events = tuple(given.get("eventTypes", hook.events))
    hook.label = given.get("description", hook.label)
    return hook


def _shown(hook: Hook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "endpoint": hook.url,
        "description": hook.label,
        "eventTypes": hook.events,
        "companyId": COMPANY,
        "createdAt": "2026-03-01T08:00:00.000Z",
    }


def _refused(_: Call, refusal: Exception) -> Response[dict[str, Any]]:
    assert isinstance(refusal, Refusal)
    throttled = refusal.status is HTTPStatus.TOO_MANY_REQUESTS
    answer = {"statusCode": refusal.status, "message": refusal.message, "error": refusal.status.phrase}
    return Response(answer, status_code=refusal.status, headers={"retry-after": "60"} if throttled else {})
