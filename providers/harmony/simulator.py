"""Harmony as seen from outside: no API, webhooks made by hand, and bodies of several shapes, as none is documented.

What it signs with, and the header that repeats the event's name, are guesses of this simulator.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, ClassVar
from uuid import uuid4

import msgspec
from litestar import Litestar

from gateway.contract.signatures import Hmac, sign
from gateway.contract.simulator import Hook, Scene, Simulator


class Simulation(Simulator):
    """One workspace. Calls are signed for webhooks with a secret once `signature` is set."""

    credentials: ClassVar[Mapping[str, str]] = {}

    def __init__(self, signature: Hmac | None = None) -> None:
        super().__init__()
        self.signature = signature
        self._numbers = count(1)
        self._app = Litestar([], openapi_config=None, logging_config=None)

    @property
    def app(self) -> Litestar:
        return self._app

    def settings(self, base_url: str) -> dict[str, Any]:
        del base_url  # nothing is ever asked of Harmony
        return {"signature": msgspec.to_builtins(self.signature)} if self.signature else {}

    def headers(self, hook: Hook, word: str, body: bytes) -> tuple[tuple[str, str], ...]:
        stated = (("content-type", "application/json"), ("x-harmony-event", word))
        if self.signature is None or not hook.secret:
            return stated
        return (*stated, sign(self.signature, hook.secret, url=hook.url, body=body, at=datetime.now(UTC)))

    def story(self) -> Sequence[Scene]:
        meeting = CONVERSATION | {"id": f"conv-{next(self._numbers)}-{uuid4().hex[:8]}"}
        insight = {"id": f"ins-{uuid4().hex[:8]}", "name": "Weekly themes", "conversation_id": meeting["id"]}
        delivery, known = f"dlv-{uuid4().hex[:8]}", "conversation.activity"
        return (
            _scene("A meeting is recorded", "conversation.created", known, event="conversation.created", data=meeting),
            _scene(
                "Its transcript is there",
                "conversation.transcribed",
                known,
                type="conversation.transcribed",
                timestamp="2026-03-10T10:05:00Z",
                delivery_id=delivery,
                payload={"conversation": meeting},
            ),
            _scene("An insight is found", "insight.generated", "provider.event", **insight),
            _scene(
                "A contact is made", "contact.created", "provider.event", event_type="contact.created", contact=CONTACT
            ),
            Scene(title="A call that says nothing", word="conversation.updated", body=b"[]", type=None),
        )


def _scene(title: str, word: str, kind: str, **body: Any) -> Scene:
    return Scene(title=title, word=word, body=msgspec.json.encode(body), type=kind)


CONTACT: dict[str, Any] = {"id": "contact-bo", "name": "Bo Okafor", "email": "bo@example.com"}
CONVERSATION: dict[str, Any] = {
    "title": "Intro call",
    "url": "https://harmony.example.com/conversations/intro-call",
    "started_at": "2026-03-10T09:00:00Z",
    "ended_at": "2026-03-10T09:28:30Z",
    "participants": [
        {"id": "user-dana", "name": "Dana Whitfield", "email": "dana@example.com"},
        {"name": "Ada Lindqvist", "email": "ada@example.com"},
    ],
}
