"""The judge: from what the provider was told, what the consumers got and what /v1 answers, it says what went wrong.

It shares no code with the program. It knows the promises, Standard Webhooks (by the public library) and three fields of
an event: its id, the booking it is about, and the SHA-256 of the call it came from.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from tests.faults.consumer import Got
from tests.faults.provider import Call

MOST_IN_FLIGHT = 16
"""What one destination is sent at once, as the README says: so many may be sent again after a kill."""
_SHOWN = 3


@dataclass
class Answers:
    """What /v1 said at the end, when nothing was on its way any more."""

    events: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    stats: dict[str, Any]


@dataclass
class Story:
    """All that there is to judge. `secrets`: signing secret by the consumer's path.

    `waiting`: some may still be on their way. `any_time`: the clock was moved, so signed times are not held to ours.
    `again`: the consumer refused some, so they came again.
    """

    calls: Sequence[Call]
    got: Sequence[Got]
    answers: Answers
    secrets: Mapping[str, str]
    waiting: bool = False
    any_time: bool = False
    again: bool = False

    @property
    def caused(self) -> list[dict[str, Any]]:
        """The events that a provider caused; the others are the gateway's own."""
        return [event for event in self.answers.events if event["origin"]["provider"] != "gateway"]


@dataclass
class Verdict:
    """What is wrong, by promise, and how often each was looked at."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join(f"{what}: {len(each)}: {'; '.join(each[:_SHOWN])}" for what, each in self.wrong.items())

    @property
    def good(self) -> bool:
        return not any(self.wrong.values())


def judge(story: Story) -> Verdict:
    """Hold a story against the promises."""
    verdict = Verdict()
    checks = (lost, phantom, doubled, ordered, signed, same_bytes, accounted)
    for check in checks:
        verdict.wrong[check.__name__] += list(check(story))
    kept = [call for call in story.calls if call.status == 200]
    verdict.counts = {
        "kept": len(kept),
        "unsure": sum(call.status != 200 for call in story.calls),
        "events": len(story.answers.events),
        "deliveries": len(story.got),
        "repeats": sum(repeats(story.got).values()),
    }
    return verdict


def lost(story: Story) -> Iterable[str]:
    """P1, P2: what was answered 2xx is in the log, and at every consumer unless it is visibly elsewhere."""
    known = {event["id"]: event for event in story.answers.events}
    arrived = {(got.path, got.id) for got in story.got}
    apart = {(each["event"]) for each in story.answers.deliveries if each["status"] != "delivered"}
    set_aside = {each["receipt"] for each in story.answers.quarantine}
    for call in story.calls:
        if call.status != 200:
            continue
        if call.said["status"] == "quarantined":
            if call.said["receipt"] not in set_aside:
                yield f"quarantined {call.sha256[:8]} is not there"
            continue
        for event in call.said["events"]:
            if event not in known:
                yield f"{event} ({call.said['status']}, sent {call.sent} times) is not in the log"
            elif story.waiting and event in apart:
                continue
            elif not all((path, event) in arrived for path in story.secrets):
                yield f"{event} never arrived"


def phantom(story: Story) -> Iterable[str]:
    """Nothing is in the log that was not sent, and nothing arrives that is not in the log."""
    sent = {call.sha256 for call in story.calls}
    known = {event["id"]: event for event in story.answers.events}
    for event in story.caused:
        if event["origin"]["raw"]["sha256"] not in sent:
            yield f"{event['id']} comes from a call that was never made"
    for got in story.got:
        if got.id not in known:
            yield f"{got.id} arrived and is not in the log"
        elif json.loads(got.body) != known[got.id]:
            yield f"{got.id} arrived otherwise than it is in the log"


def repeats(got: Sequence[Got]) -> Counter[tuple[str, int]]:
    """Count what came again, by consumer and by the life of the gateway that had sent it before."""
    before: dict[tuple[str, str], int] = {}
    again: Counter[tuple[str, int]] = Counter()
    for each in got:
        if (life := before.get((each.path, each.id))) is not None:
            again[each.path, life] += 1
        before[each.path, each.id] = each.life
    return again


def doubled(story: Story) -> Iterable[str]:
    """P3: one event for a fact, one arrival for an event, but for what was in flight when the process died."""
    facts: Counter[str] = Counter(event["origin"]["raw"]["sha256"] for event in story.caused)
    yield from (f"call {sha256[:8]} made {count} events" for sha256, count in facts.items() if count > 1)
    for ids, count in Counter(event["id"] for event in story.answers.events).items():
        if count > 1:
            yield f"{ids} is in the log {count} times"
    if story.again:
        return
    lives: dict[tuple[str, str], set[int]] = defaultdict(set)
    for got in story.got:
        if got.life in lives[got.path, got.id]:
            yield f"{got.id} arrived twice though nothing died in between"
        lives[got.path, got.id].add(got.life)
    for (path, life), count in repeats(story.got).items():
        if count > MOST_IN_FLIGHT:
            yield f"{count} that life {life} sent to {path} came again"


def ordered(story: Story) -> Iterable[str]:
    """P4: a booking's events are in the log as they were answered, and arrive in the order of the log, never back."""
    place = {event["id"]: number for number, event in enumerate(story.answers.events)}
    answered: dict[str, int] = {}
    for call in story.calls:
        for event in call.said.get("events", ()) if call.status == 200 else ():
            if event not in place:
                continue  # lost: said elsewhere
            if place[event] < answered.get(call.booking, -1):
                yield f"{event} is in the log before what was answered earlier"
            answered[call.booking] = place[event]
    latest: dict[tuple[str, str], int] = {}
    for got in story.got:
        event = json.loads(got.body)
        if event["id"] not in place or event.get("key") is None:
            continue
        at = place[event["id"]]
        if at < latest.get((got.path, event["key"]), -1):
            yield f"{event['id']} arrived after a later one of its booking"
        latest[got.path, event["key"]] = at


def signed(story: Story) -> Iterable[str]:
    """Every delivery verifies as Standard Webhooks."""
    hooks = {path: Webhook(secret) for path, secret in story.secrets.items()}
    for got in story.got:
        try:
            _verify(hooks[got.path], got, story.any_time)
        except (WebhookVerificationError, KeyError) as error:
            yield f"{got.id}: {error!r}"


def _verify(hook: Webhook, got: Got, any_time: bool) -> None:
    if not any_time:
        hook.verify(got.body, got.headers)
        return
    stated = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
    if hook.sign(got.id, stated, got.body.decode()) not in got.headers["webhook-signature"].split():
        raise WebhookVerificationError("no matching signature")


def same_bytes(story: Story) -> Iterable[str]:
    """A repeat has the same bytes."""
    first: dict[tuple[str, str], bytes] = {}
    for got in story.got:
        if first.setdefault((got.path, got.id), got.body) != got.body:
            yield f"{got.id} came with other bytes"


def accounted(story: Story) -> Iterable[str]:
    """P2: the sums of /v1/stats add up, and are those of what the lists show."""
    stats, answers = story.answers.stats, story.answers
    receipts = stats["receipts"]
    if stats["events"] != len(answers.events):
        yield f"stats say {stats['events']} events, the log has {len(answers.events)}"
    if receipts["quarantined"] != len(answers.quarantine):
        yield f"stats say {receipts['quarantined']} quarantined, the list has {len(answers.quarantine)}"
    sources = len({event["origin"]["raw"]["sha256"] for event in story.caused})
    if receipts["understood"] != sources:
        yield f"stats say {receipts['understood']} understood, the events come from {sources} calls"
    listed = Counter((each["destination"], each["status"]) for each in answers.deliveries)
    for destination, amounts in stats["deliveries"].items():
        for status, amount in amounts.items():
            if listed[destination, status] != amount:
                yield f"stats say {amount} {status}, the list has {listed[destination, status]}"
        if sum(amounts.values()) != len(story.caused):
            yield f"{sum(amounts.values())} deliveries for {len(story.caused)} events"
    if not story.waiting and any(amounts["pending"] for amounts in stats["deliveries"].values()):
        yield "something is still waiting"
