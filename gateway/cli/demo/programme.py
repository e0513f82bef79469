"""How the demo is told to people, and to programs."""

from typing import Any

from rich.text import Text

from gateway.cli import show
from gateway.cli.demo.consumer import Got
from gateway.cli.demo.play import Outcome, Said

REMARK = {
    "forged": "the same call, signed with a guess",
    "repeated": "the same call once more",
}


def tell(outcome: Outcome, wrongs: list[str]) -> None:
    """Print what each vendor sent, what the gateway answered, and what the consumer got."""
    screen = show.console()
    by_id = {got.webhook_id: got for got in outcome.got}
    screen.print(Text("Three kinds of calls come in on one URL; one kind of event comes out.\n"))
    for one in outcome.said:
        screen.print(_call(one))
        screen.print(_result(one, [by_id[event] for event in one.answer.get("events", ()) if event in by_id]))
    screen.print(_summary(outcome, wrongs))


def _call(one: Said) -> Text:
    text = Text(f"{show.clean(one.vendor)[:22]:<23}", style="bold")
    text.append(f"{show.clean(one.word)}  ", style="cyan")
    text.append(show.clean(REMARK.get(one.kind, one.title)), style="not bold")
    return text


def _result(one: Said, got: list[Got]) -> Text:
    word = one.answer.get("status")
    answer = f"{one.status} {word if isinstance(word, str) else show.clean(one.answer.get('title'))}"
    text = Text(f"  -> {answer:<21}", style=show.STYLES.get(str(word), "red" if one.kind == "forged" else ""))
    if one.kind == "sent" and got:
        text.append(" -> ".join(["", *map(_event, got)]).strip(), style="default")
    elif one.answer.get("reason"):
        text.append(f" {show.clean(one.answer['reason'])}", style="default")
    return text


def _event(got: Got) -> str:
    origin = got.event.get("origin", {})
    signed = "signed" if got.signed else "NOT SIGNED"
    return (
        f"{show.clean(got.event.get('type'))} of {show.clean(origin.get('provider'))}, "
        f"{show.when(got.event.get('timestamp'))}, proven by {show.clean(origin.get('verification'))}, {signed}"
    )


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


def summary(outcome: Outcome, wrongs: list[str]) -> dict[str, Any]:
    """Say the same to a program."""
    return {
        "ok": not wrongs,
        "wrong": wrongs,
        "calls": [
            {"provider": one.provider, "title": one.title, "word": one.word, "kind": one.kind, "status": one.status,
             "answer": one.answer}
            for one in outcome.said
        ],
        "received": [{"signed": got.signed, "event": got.event} for got in outcome.got],
        "quarantined": outcome.quarantined,
    }  # fmt: skip
