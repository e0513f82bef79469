"""`gateway demo`: the whole way of a webhook on one machine, with nothing set up."""

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import Failed, Wishes, json_option


@click.command("demo")
@json_option
@click.pass_obj
def demo(wishes: Wishes) -> None:
    """Show the gateway at work: simulated vendors, a real gateway, a consumer. Needs nothing, leaves nothing.

    Exits 0 only when the consumer got exactly what it should.
    """
    # Loads simulators and servers, which no other command needs.
    from gateway.cli.demo import consumer, programme, run, verdict  # noqa: PLC0415 -- not for --help

    outcome = run.run(run.actors(), consumer.Consumer())
    wrongs = verdict.wrongs(outcome)
    if wishes.as_json:
        show.print_json(programme.summary(outcome, wrongs, run.left_out()))
    else:
        programme.tell(outcome, wrongs, run.left_out())
    if wrongs:
        raise Failed(f"the demo did not come out right: {'; '.join(wrongs)}")
