"""Translation: golden, pure, identified, tolerant, and with nothing lost or given away."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import EVENT_OF, EVENT_TYPES, WARNINGS, event_digest
from gateway.contract.provider import Draft, Receipt, parsed
from gateway.contract.testing import probing
from gateway.contract.testing.suite import AT, Suite

ID_BYTES = 20


class Golden(JSONSnapshotExtension):
    """Keep drafts as JSON, each with its type first, and in the order of the schema instead of the alphabet."""

    def serialize(self, data: Sequence[Draft], **_: Any) -> str:
        told = [{"type": event_type(draft), **msgspec.to_builtins(draft)} for draft in data]
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def event_type(draft: Draft) -> str:
    """Name the type of the event that a draft becomes."""
    return str(EVENT_OF[type(draft.data)].__struct_config__.tag)


class TranslationSuite(Suite):
    folder: ClassVar[Path]
    headers: ClassVar[Sequence[tuple[str, str]]] = ()
    """What all calls come with. A file beside a payload, `case.headers`, holds a `name: value` a line for that case."""
    unread: ClassVar[Sequence[str]] = ()
    """Paths in payloads that are dropped on purpose: `data.pretty_*`, `data.answers.*.position`; all else counts."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        super().pytest_generate_tests(metafunc)
        if "payload" in metafunc.fixturenames:
            metafunc.parametrize("payload", self.payloads(), ids=[file.stem for file in self.payloads()])

    def payloads(self) -> list[Path]:
        return sorted(file for file in (self.folder / "payloads").iterdir() if file.suffix in probing.CONTENT_TYPES)

    def refusals(self) -> list[Path]:
        folder = self.folder / "refused"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def received(self, payload: Path, body: bytes | None = None, at: datetime = AT) -> Receipt:
        body = payload.read_bytes() if body is None else body
        return self.receipt(body, {**dict(self.headers), **probing.headers_beside(payload)}, at)

    def drafts(self, payload: Path, body: bytes | None = None, at: datetime = AT) -> Sequence[Draft]:
        return self.provider.translate(self.received(payload, body, at))

    def test_the_declarations_are_complete(self) -> None:
        provider = self.provider
        assert provider.name.isascii()
        assert provider.name.isalnum()
        assert provider.name == provider.name.lower()
        assert provider.title
        assert provider.docs.startswith("https://"), "docs: the page that documents the webhooks"
        assert set(provider.types) <= EVENT_TYPES.keys(), "types: names of canonical events"
        for kind in (provider.credentials, provider.settings):
            assert kind.__struct_config__.frozen, f"{kind.__name__}: frozen=True"
            assert kind.__struct_config__.forbid_unknown_fields, f"{kind.__name__}: forbid_unknown_fields=True"
        assert self.payloads(), f"{self.folder}/payloads is empty"

    def test_a_payload_becomes_its_golden_drafts(self, payload: Path, snapshot: SnapshotAssertion) -> None:
        assert self.drafts(payload) == snapshot(extension_class=Golden)

    def test_a_payload_is_recognised_and_left_as_it_is(self, payload: Path) -> None:
        receipt = self.received(payload)
        body, untouched = parsed(receipt.inbound), parsed(receipt.inbound)
        assert self.provider.recognises(receipt.inbound, body, receipt.account)
        assert body == untouched, "recognises() changed the body it was shown"

    def test_translation_is_pure(self, payload: Path) -> None:
        drafts = self.drafts(payload)
        assert self.drafts(payload) == drafts, "the same call twice gave two results"
        assert self.drafts(payload, at=AT + timedelta(days=400)) == drafts, "the result depends on the receive time"

    def test_the_same_content_in_other_bytes_is_the_same_fact(self, payload: Path) -> None:
        value = probing.taken_apart(payload.read_bytes(), payload.suffix)
        reordered = dict(reversed(value.items())) if isinstance(value, dict) else value
        assert self.drafts(payload, probing.put_together(reordered, payload.suffix)) == self.drafts(payload)

    def test_drafts_are_canonical(self, payload: Path) -> None:
        assert self.drafts(payload), "a call that says nothing is a NotUnderstood"
        self._is_canonical(self.drafts(payload))

    def _is_canonical(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            assert event_type(draft) in self.provider.types, "types: not declared"
            assert set(draft.warnings) <= WARNINGS.keys(), "warnings: not in the documented list"
            assert len(set(draft.warnings)) == len(draft.warnings), "warnings: one is there twice"
            assert any(draft.parts), "parts: nothing in them"
            assert len(event_digest(draft.parts)) == ID_BYTES
            assert all(at is None or at.tzinfo is UTC for at in (draft.at, draft.revision)), "at, revision: not UTC"
            for field, value, _ in probing.values(draft.data):
                assert value != "" or field == "key", f"{field}: an empty text is null"
                assert not isinstance(value, datetime) or value.tzinfo is UTC, f"{field}: not UTC"
        assert msgspec.json.encode(drafts), "what comes out can be written"

    def test_identities_hold_nothing_personal(self, payload: Path) -> None:
        for draft in self.drafts(payload):
            personal = {value for _, value, mark in probing.values(draft.data) if mark and isinstance(value, str)}
            assert not [part for part in draft.parts if part in personal], "parts: personal data"

    def test_facts_have_identities_of_their_own(self) -> None:
        known: dict[bytes, Sequence[object]] = {}
        for draft in (draft for payload in self.payloads() for draft in self.drafts(payload)):
            content = (type(draft.data), draft.data)
            assert known.setdefault(event_digest(draft.parts), content) == content, f"two facts, one id: {draft.parts}"

    def test_one_clock_orders_all_bookings_or_none(self) -> None:
        drafts = [draft for payload in self.payloads() for draft in self.drafts(payload)]
        stated = {draft.revision is not None for draft in drafts if hasattr(draft.data, "booking")}
        assert len(stated) <= 1, "revision: stated for some bookings only"

    def test_every_value_counts_or_is_declared_unread(self) -> None:
        counts, empty = self._weighed()
        unread = {name for name in counts | empty if any(fnmatchcase(name, pattern) for pattern in self.unread)}
        assert not [name for name in unread if counts.get(name)], "unread: these are read"
        assert not [name for name in counts if not counts[name] and name not in unread], "lost: read or declare them"
        silent = [name for name in empty if not any(f"{known}.".startswith(f"{name}.") for known in counts)]
        assert not set(silent) - unread, "no payload says anything here: let one, or declare them unread"

    def _weighed(self) -> tuple[dict[str, bool], dict[str, bool]]:
        """Find what all payloads say: (paths with a value, and whether the value counts; paths that are empty)."""
        counts: dict[str, bool] = {}
        empty: dict[str, bool] = {}
        for payload in self.payloads():
            for path, leaf in probing.leaves(probing.taken_apart(payload.read_bytes(), payload.suffix)):
                name = probing.spelled(path)
                if not probing.says_something(leaf):
                    empty[name] = False
                elif not self.provider.masked.intersection(path):
                    counts[name] = counts.get(name, False) or self._counts(payload, path, leaf)
        return counts, empty

    def _counts(self, payload: Path, path: probing.Path, leaf: Any) -> bool:
        """Say whether another value in this place makes another event; the id alone does not count."""
        value = probing.taken_apart(payload.read_bytes(), payload.suffix)
        body = probing.put_together(probing.replaced(value, path, probing.other(leaf)), payload.suffix)
        try:
            now = self.drafts(payload, body)
        except NotUnderstood:
            return True
        return _without_parts(now) != _without_parts(self.drafts(payload))

    def test_nothing_that_acts_without_a_login_comes_out(self, payload: Path) -> None:
        value = probing.taken_apart(payload.read_bytes(), payload.suffix)
        masked = self.provider.masked
        told = [leaf for path, leaf in probing.leaves(value) if masked.intersection(path) and isinstance(leaf, str)]
        for body in (payload.read_bytes(), self._planted(payload)):
            try:
                out = msgspec.json.encode(self.drafts(payload, body)).decode()
            except NotUnderstood:
                continue
            assert not [secret for secret in (*told, probing.CANARY) if secret and secret in out], "a secret came out"

    def _planted(self, payload: Path) -> bytes:
        value = probing.taken_apart(payload.read_bytes(), payload.suffix)
        return probing.put_together(probing.planted(value, sorted(self.provider.masked)), payload.suffix)

    def test_bodies_that_are_refused_say_where(self) -> None:
        for refused in self.refusals():
            with pytest.raises(NotUnderstood) as refusal:
                self.drafts(refused)
            assert str(refusal.value), f"{refused.name}: name the path"

    def test_whatever_comes_is_translated_or_not_understood(self, payload: Path) -> None:
        for body in (*probing.BROKEN, *probing.spoilt(payload.read_bytes(), payload.suffix)):
            receipt = self.received(payload, body)
            self.provider.recognises(receipt.inbound, parsed(receipt.inbound), receipt.account)
            with suppress(NotUnderstood):
                self._is_canonical(self.provider.translate(receipt))


def _without_parts(drafts: Sequence[Draft]) -> list[Draft]:
    return [msgspec.structs.replace(draft, parts=()) for draft in drafts]
