"""What can be connected, and `connect` itself."""

from collections.abc import Mapping
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import Failed, Gateway, Wishes, common
from gateway.cli.source import SOURCES, Sources
from gateway.cli.source import credentials as read_credentials
from gateway.cli.source import settings as read_settings
from gateway.cli.table import Column

ASK = "\0ask"
"""What `--signing-secret` without a SOURCE is read as; no argument can contain it."""

NOT_INSTALLED = "provider: not installed"
"""How a gateway's refusal begins when no plugin has the name."""

PROVIDERS = (
    Column("PROVIDER", "name", fold="never"),
    Column("TITLE", "title"),
    Column("SIGNED", "signature"),
    Column("WEBHOOKS", "webhooks"),
    Column("CREDENTIALS", "needs"),
)


@click.command("providers")
@common
@click.pass_obj
def providers(wishes: Wishes) -> None:
    """List the providers that can be connected."""
    with wishes.gateway() as gateway:
        page = gateway.page("/v1/providers")
    wishes.answer(page, _print_providers)


def _print_providers(page: Any) -> None:
    items = [{**one, "needs": [_field(field) for field in one.get("credentials", [])] or None} for one in page["items"]]
    show.print_table(PROVIDERS, items)


def _field(field: dict[str, Any]) -> str:
    return show.clean(field.get("name")) + ("" if field.get("required") else " (optional)")


# --- connect -------------------------------------------------------------------------------------------------------


@click.command("connect")
@click.argument("provider")
@click.option("--name", help="What you call this connection.")
@click.option("--credential", "given", multiple=True, metavar="K[=SOURCE]", help=f"Log-in for its API, from {SOURCES}.")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="A setting, such as site=simplymeet.")
@click.option(
    "--signing-secret", is_flag=False, flag_value=ASK, metavar="SOURCE", help="The secret its calls are signed with."
)
@click.option("--unsigned", is_flag=True, help="Accept unsigned calls of a provider that could sign.")
@click.option("--own-url", is_flag=True, help="Give this connection a URL of its own.")
@click.option("--no-register", is_flag=True, help="Do not make the webhook at the provider.")
@common
@click.pass_obj
def connect(
    wishes: Wishes,
    provider: str,
    *,
    name: str | None,
    given: tuple[str, ...],
    settings: tuple[str, ...],
    signing_secret: str | None,
    unsigned: bool,
    own_url: bool,
    no_register: bool,
) -> None:
    """Connect PROVIDER: make the webhook through its API, or say exactly what to paste where it has none."""
    sources = Sources()
    if unsigned and signing_secret is not None:
        raise click.UsageError("--unsigned and --signing-secret contradict each other: keep one")
    body: dict[str, Any] = {
        "provider": provider,
        "settings": read_settings(settings),
        "unsigned": unsigned,
        "own_url": own_url,
        "register": not no_register,
        "credentials": read_credentials(given, sources),
    }
    if name is not None:
        body["name"] = name
    if signing_secret is not None:
        label = "--signing-secret"
        body["signing_secret"] = sources.ask(label) if signing_secret == ASK else sources.read(label, signing_secret)
    with wishes.gateway() as gateway:
        if not no_register and Sources.can_ask():
            _ask_for_missing(gateway, provider, body["credentials"], sources)
        connection = _connected(gateway, body)
        why = None if wishes.as_json or own_url else _why_own_url(gateway, connection, unsigned=unsigned)
    wishes.answer(connection, lambda answer: _print_connected(answer, why))


def _connected(gateway: Gateway, body: dict[str, Any]) -> Any:
    try:
        return gateway.post("/v1/connections", body, holds="inbound_url")
    except Failed as refusal:
        said = str(refusal)
        if said.startswith(NOT_INSTALLED):  # a gateway repeats no value; here it is the word that was just typed
            raise Failed(f"there is no provider {body['provider']}{said.removeprefix(NOT_INSTALLED)}") from None
        option = {"credentials": "--credential NAME=SOURCE", "settings": "--set NAME=VALUE"}
        given = option.get(said.partition(".")[0]) if said.endswith(" is missing") else None
        raise (Failed(f"{refusal}: give it with {given}") if given else refusal) from None


def _ask_for_missing(gateway: Gateway, provider: str, credentials: dict[str, str], sources: Sources) -> None:
    known = {one["name"]: one for one in gateway.page("/v1/providers")["items"]}
    for field in known.get(provider, {}).get("credentials", []):
        if field["required"] and field["name"] not in credentials:
            credentials[field["name"]] = sources.ask(f"{provider} {field['name']}")


def _why_own_url(gateway: Gateway, connection: Mapping[str, Any], *, unsigned: bool) -> str | None:
    """Say why a connection got a URL of its own though nobody asked for it; None when it has the shared one."""
    try:
        shared = gateway.get("/v1/url", holds="inbound_url")["inbound_url"]
    except Failed:  # the connection is made all the same: what cannot be looked up is left unsaid
        return None
    if connection["inbound_url"] == shared:
        return None
    if unsigned:
        return "of its own: its provider could sign, so unsigned calls prove themselves by this URL alone"
    return "of its own: without signatures, its calls look like those of another connection"


def _print_connected(connection: Any, why_own_url: str | None) -> None:
    show.say(f"Connected {show.clean(connection['name'])} ({show.clean(connection['provider'])}).")
    show.say(f"  id           {show.clean(connection['id'])}")
    show.say(f"  status       {show.clean(connection['status'])}")
    show.say(f"  inbound URL  {show.clean(connection['inbound_url'])}")
    if why_own_url:
        show.say(f"               ({why_own_url})")
    if connection.get("remote"):
        show.say(f"  webhook      {show.clean(connection['remote']['id'])}, made at the provider")
    if connection.get("signing_secret"):
        show.say(f"  secret       {show.clean(connection['signing_secret'])}  (made for it; not shown again)")
    if connection.get("instructions"):
        show.say(f"\n{show.clean_lines(connection['instructions'])}")
