"""What a connection must be before it may exist."""

from datetime import UTC, datetime
from itertools import product
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from gateway.contract.provider import Account, Inbound, Settings
from gateway.contract.signatures import Hmac, Unsigned
from gateway.pipeline.receive import Candidate, Inbox, Received, receive
from gateway.registration import rules
from gateway.registration.possible import possible
from gateway.registration.rules import Conflict, ConnectionChange, ConnectRequest, Invalid
from gateway.store.model import Connection
from providers import PROVIDERS as INSTALLED
from providers.harmonizely.api import SiteSettings
from tests.registration.vendors import Key, Office, Pasted, Plain, Signing

HEX = {"header": "x-sig", "encoding": "hex", "key": "hex"}
PROVIDERS = {"signing": Signing(Office()), "plain": Plain(Office()), "pasted": Pasted()}


def row(provider: str, identity: str = "con_1", **fields: Any) -> Connection:
    return Connection(id=identity, provider=provider, name=provider, created_at=0, **fields)


def scheme_of(connection: Connection) -> Hmac | Unsigned:
    return rules.scheme_of(PROVIDERS[connection.provider], connection)


@pytest.mark.parametrize(
    ("given_", "field", "said"),
    [
        ({}, "credentials.api_key", "is missing"),
        ({"api_key": 5}, "credentials.api_key", "must be text"),
        ({"api_key": "k", "colour": "red"}, "credentials.colour", "there is no such field"),
    ],
)
def test_a_wrong_credential_is_named(given_: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.converted(given_, Key, "credentials")
    assert (refused.value.field, refused.value.message) == (field, said)


def test_a_value_that_is_not_in_a_list_of_words_is_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        rules.converted(
            {"signature": {**HEX, "encoding": "hunter2 - at `$.x`"}}, PROVIDERS["pasted"].settings, "settings"
        )
    assert refused.value.field == "settings.signature.encoding"
    assert "hunter2" not in str(refused.value)
    assert refused.value.message == "must be one of base64, hex"


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"site": "acme"}, "settings.site must be one of harmonizely, simplymeet"),
        ({"site": "acme", "base_url": None}, "settings.site must be one of harmonizely, simplymeet"),
        ({"base_url": "api.acme.example"}, "settings.base_url must be an http or https URL"),
    ],
)
def test_a_wrong_setting_is_told_with_what_is_possible(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.converted(given_, SiteSettings, "settings")
    assert str(refused.value) == said


def test_a_provider_that_is_a_site_of_another_is_told_as_what_to_connect_it() -> None:
    installed = {provider.name: provider for provider in INSTALLED}
    assert "`gateway connect harmonizely --set site=simplymeet`" in str(rules.not_installed("simplymeet", installed))
    assert "did you mean `meetergo`?" in str(rules.not_installed("meetrgo", installed))
    assert "acme" not in str(rules.not_installed("acme", installed))


class Several(Struct):
    words: list[Literal["a", "b"]] | UnsetType = UNSET
    inner: "Several | None" = None


@pytest.mark.parametrize(
    ("path", "words"),
    [("words[0]", ["a", "b"]), ("words[...]", ["a", "b"]), ("inner.inner.words[3]", ["a", "b"]), ("inner", []),
     ("words", []), ("nowhere.words[0]", []), ("", [])],
)  # fmt: skip
def test_the_possible_words_are_found_at_their_path(path: str, words: list[str]) -> None:
    assert possible(Several, path) == words


@pytest.mark.parametrize("key", ["two\r\nlines", "schlüssel", "\x00"])
def test_a_credential_that_cannot_stand_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(Invalid, match="credentials: printable ASCII"):
        rules.login_headers(Office(), Key(api_key=key))


@pytest.mark.parametrize(("events", "field"), [((), "settings.events"), (("made", "burnt"), "settings.events[1]")])
def test_events_that_the_provider_does_not_have_are_refused(events: tuple[str, ...], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        rules.check_events(PROVIDERS["signing"], Settings(events=events))
    assert refused.value.field == field


def secret_for(provider: str, **fields: Any) -> tuple[tuple[str, ...], str | None]:
    request = ConnectRequest(provider=provider, **fields)
    plugin = PROVIDERS[provider]
    settings = rules.converted(request.settings, plugin.settings, "settings")
    return rules.secret_for(plugin, plugin.scheme(settings), request, lambda: "generated-secret")


def test_a_provider_that_can_sign_gets_a_secret_made_for_it() -> None:
    assert secret_for("signing") == (("generated-secret",), "generated-secret")


def test_a_given_secret_is_taken_and_not_shown_again() -> None:
    assert secret_for("signing", signing_secret="eight ch") == (("eight ch",), None)


def test_an_operator_may_go_without_a_secret_in_words() -> None:
    assert secret_for("signing", unsigned=True) == ((), None)


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("signing", {"signing_secret": "seven c"}),
        ("signing", {"signing_secret": ""}),
        ("plain", {"signing_secret": "long enough"}),
        ("pasted", {"signing_secret": "long enough"}),
        ("pasted", {"settings": {"signature": HEX}}),
        ("pasted", {"settings": {"signature": HEX}, "signing_secret": "not hexadecimal"}),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused(provider: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        secret_for(provider, **fields)
    assert refused.value.field == "signing_secret"


def test_a_secret_and_no_signature_contradict_each_other() -> None:
    with pytest.raises(Invalid, match="unsigned"):
        secret_for("signing", signing_secret="long enough", unsigned=True)


def test_two_connections_on_one_url_that_a_call_could_prove_are_refused() -> None:
    mine, theirs = row("signing", secrets=("one secret",)), row("signing", "con_2", secrets=("one secret",))
    with pytest.raises(Conflict, match="con_2"):
        rules.check_unique(mine, scheme_of(mine), [theirs], PROVIDERS)


def test_another_provider_with_the_same_scheme_and_secret_is_refused() -> None:
    same = {"signature": {"header": "x-signature", "encoding": "hex"}}
    mine, theirs = (
        row("pasted", secrets=("one secret",), settings=same),
        row("signing", "con_2", secrets=("one secret",)),
    )
    with pytest.raises(Conflict):
        rules.check_unique(mine, scheme_of(mine), [theirs], PROVIDERS)


def test_one_secret_under_two_schemes_proves_only_one() -> None:
    other = {"signature": {"header": "x-other", "encoding": "hex"}}
    mine, theirs = (
        row("pasted", secrets=("one secret",), settings=other),
        row("signing", "con_2", secrets=("one secret",)),
    )
    rules.check_unique(mine, scheme_of(mine), [theirs], PROVIDERS)


def test_an_own_url_has_no_neighbours() -> None:
    mine, theirs = row("signing", secrets=("s",)), row("signing", "con_2", secrets=("s",), token="own")
    rules.check_unique(mine, scheme_of(mine), [theirs], PROVIDERS)


@pytest.mark.parametrize(
    ("mine", "theirs", "needed"),
    [
        (row("signing"), [], True),
        (row("plain"), [], False),
        (row("plain"), [row("plain", "con_2")], True),
        (row("plain"), [row("plain", "con_2", status="removing")], True),
        (row("plain"), [row("plain", "con_2", token="own")], False),
        (row("plain", account="a"), [row("plain", "con_2")], True),
        (row("plain", account="a"), [row("plain", "con_2", account="a")], True),
        (row("plain", account="a"), [row("plain", "con_2", account="b")], False),
        (row("plain"), [row("pasted", "con_2")], False),
        (row("signing", secrets=("s",)), [row("signing", "con_2", secrets=("t",))], False),
        (row("pasted"), [row("pasted", "con_2", secrets=("s",))], True),
    ],
)
def test_an_own_url_is_given_where_calls_could_not_be_told_apart(
    mine: Connection, theirs: list[Connection], needed: bool
) -> None:
    assert rules.needs_own_url(mine, scheme_of(mine), theirs) is needed


def test_a_scheme_set_later_wants_a_secret() -> None:
    scheme = Hmac(header="x-sig", encoding="hex")
    with pytest.raises(Invalid, match="signing_secret"):
        rules.secrets_after(PROVIDERS["pasted"], row("pasted"), scheme, ConnectionChange())


def test_a_scheme_taken_back_takes_the_secret_with_it() -> None:
    before = row("pasted", secrets=("one secret",), settings={"signature": {"header": "x-sig", "encoding": "hex"}})
    assert rules.secrets_after(PROVIDERS["pasted"], before, Unsigned("why"), ConnectionChange()) == ()


def test_a_change_without_a_word_on_it_is_unset() -> None:
    assert ConnectionChange().signing_secret is UNSET


# --- the law ------------------------------------------------------------------------------------------------------

KINDS = st.tuples(st.sampled_from(["signing", "plain", "pasted"]), st.sampled_from([None, "secret-a", "secret-b"]))


def _admitted(kinds: list[tuple[str, str | None]]) -> list[Connection]:
    """Connect one after the other as the registrar does, and keep what stays on the shared URL."""
    shared: list[Connection] = []
    for number, (provider, secret) in enumerate(kinds):
        settings = (
            {"signature": {"header": "x-signature", "encoding": "hex"}} if provider == "pasted" and secret else {}
        )
        secrets = (secret,) if secret and provider != "plain" else ()
        new = row(provider, f"con_{number}", secrets=secrets, settings=settings)
        if rules.needs_own_url(new, scheme_of(new), shared):
            continue
        try:
            rules.check_unique(new, scheme_of(new), shared, PROVIDERS)
        except Conflict:
            continue
        shared.append(new)
    return shared


@given(st.lists(KINDS, max_size=6))
def test_on_one_url_every_unsigned_call_has_one_owner(kinds: list[tuple[str, str | None]]) -> None:
    shared = _admitted(kinds)
    inbox = Inbox("url", "https://gw/in/t", False, tuple(candidate(connection) for connection in shared))
    for connection in (c for c in shared if not c.secrets):
        body = b'{"from":"%b"}' % connection.provider.encode()
        call = receive(Inbound("https://gw/in/t", (), body, datetime.now(UTC)), inbox)
        assert isinstance(call, Received)
        assert call.candidate.account.connection == connection.id


@given(st.lists(KINDS, max_size=6))
def test_on_one_url_no_two_connections_share_a_proof(kinds: list[tuple[str, str | None]]) -> None:
    candidates = [candidate(connection) for connection in _admitted(kinds)]
    for one, other in product(candidates, candidates):
        if one is not other and one.scheme == other.scheme:
            assert not set(one.secrets) & set(other.secrets)


def candidate(connection: Connection) -> Candidate:
    account = Account(connection.id, connection.account, Settings())
    return Candidate(PROVIDERS[connection.provider], account, scheme_of(connection), connection.secrets)


def test_a_name_that_nobody_chose_is_numbered_where_it_is_taken() -> None:
    assert rules.free_name("Acme", set()) == "Acme"
    assert rules.free_name("Acme", {"Acme", "Acme 3"}) == "Acme 2"
    assert rules.free_name("Acme", {"Acme", "Acme 2", "Acme 3"}) == "Acme 4"
