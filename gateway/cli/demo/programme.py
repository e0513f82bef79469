"""How the demo is told to people, and to programs."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from gateway.cli import show
from gateway.cli.demo.consumer import Got
from gateway.cli.demo.play import Outcome, Said

REMARK = {
    "forged": "Somebody forges the next call, and has to guess the secret",
    "repeated": "The vendor sends the same call once more",
}


def tell(outcome: Outcome, wrongs: list[str], left_out: list[str]) -> None:
    """Print what each vendor sent, what the gateway answered, and what the consumer got."""
    by_id = {got.webhook_id: got for got in outcome.got}
    told = []
    for one in outcome.said:
        arrived = [by_id[event] for event in one.answer.get("events", ()) if event in by_id]
        told.append((show.clean(one.provider), [*_call(one), *_arrivals(one, arrived)]))
    screen = show.console()
    screen.print(Text("Each vendor calls the one inbound URL in its own words; the consumer gets one kind of event.\n"))
    show.print_named(told)
    for name in left_out:
        screen.print(Text(f"\n{show.clean(name)} has no simulator: not shown."))
    screen.print(_summary(outcome, wrongs))


def _call(one: Said) -> Iterator[Text]:
    yield Text(show.clean(REMARK.get(one.kind, one.title)))
    word = one.answer.get("status")
    answer = f"{one.status} {word if isinstance(word, str) else show.clean(one.answer.get('title'))}"
    said = Text(f"  {show.clean(one.word)} -> ")
    said.append(answer, style=show.STYLES.get(str(word), "red" if one.kind == "forged" else ""))
    if one.answer.get("reason"):
        said.append(f": {show.clean(one.answer['reason'])}")
    yield said


def _arrivals(one: Said, arrived: list[Got]) -> Iterator[Text]:
    if one.kind != "sent":
        return
    for got in arrived:
        proof = show.clean(_origin(got).get("verification"))
        signed = "signed" if got.signed else "NOT SIGNED"
        yield Text(f"  => {show.clean(got.event.get('type'))}, {signed}", style="green" if got.signed else "red")
        provider = show.clean(_origin(got).get("provider"))
        yield Text(f"     from {provider} at {show.when(got.event.get('timestamp'))}, proven by {proof}", style="dim")


def _origin(got: Got) -> dict[str, Any]:
    origin = got.event.get("origin")
    return origin if isinstance(origin, dict) else {}


def _summary(outcome: Outcome, wrongs: list[str]) -> Text:
    forged = sum(one.kind == "forged" for one in outcome.said)
    repeated = sum(one.kind == "repeated" for one in outcome.said)
    text = Text(
        f"\n{len(outcome.said)} calls of {len(outcome.connections)} vendors: {len(outcome.got)} events delivered, "
        f"{forged} forged call refused, {repeated} repeated call not doubled, "
        f"{len(outcome.quarantined)} broken bodies in quarantine.\n"
    )
    if wrongs:
        return text.append("\n".join(["", "Not right:", *(f"  {show.clean(one)}" for one in wrongs)]), style="red")
    text.append("The consumer got exactly what it should, each event once, in order and signed.\n", style="green")
    return text.append("\nGo on with your own: `gateway serve`, then `gateway connect PROVIDER` in another terminal.")


def summary(outcome: Outcome, wrongs: list[str], left_out: list[str]) -> dict[str, Any]:
    """Say the same to a program."""
    return {
        "ok": not wrongs,
        "wrong": wrongs,
        "not_shown": left_out,
        "calls": [
            {"provider": one.provider, "title": one.title, "word": one.word, "kind": one.kind, "status": one.status,
             "answer": one.answer}
            for one in outcome.said
        ],
        "received": [{"signed": got.signed, "event": got.event} for got in outcome.got],
        "quarantined": outcome.quarantined,
    }  # fmt: skip
