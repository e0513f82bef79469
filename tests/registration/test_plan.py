"""What should exist against what does: ours is put right in the end, and nobody else's is ever touched."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.contract.provider import Wanted, Webhook
from gateway.registration.plan import Decision, Known, Plan, by_hand, place, plan, standing
from gateway.store.model import Remote

NOW, OLDER, BEFORE = "https://g.example/in/NOW-TOKEN", "https://g.example/in/OLDER-TOKEN", "https://was.example/in/T"
ELSEWHERE = "https://somebody:pw@else.example/in/THEIR-TOKEN"
EVENTS = ("made", "moved")
MINE, LABEL = ("newest-secret", "older-secret"), "gateway con_1"
WANTED = Wanted(url=NOW, events=EVENTS, secret=MINE[0], label=LABEL)
KNOWN = Known(urls=(NOW, OLDER), secrets=MINE, label=LABEL, shows_secret=True)


def hook(identity: str = "h1", **fields: Any) -> Webhook:
    return Webhook(**{"id": identity, "url": NOW, "events": EVENTS, "secret": MINE[0], **fields})


def last(identity: str = "h1", url: str = NOW) -> Remote:
    return Remote(id=identity, url=url, events=EVENTS, checked_at=0)


def known(**fields: Any) -> Known:
    return replace(KNOWN, **{"ids": frozenset({"h1"}), "last": last(), **fields})


# --- each difference -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "about", "kind", "found"),
    [
        ([hook()], {}, "nothing", []),
        ([], {}, "create", ["missing"]),
        ([hook("h2")], {}, "adopt", []),
        ([hook(events=("made",))], {}, "replace", ["events"]),
        ([hook(events=("made",))], {"updates": True}, "update", ["events"]),
        ([hook(events=("moved", "made"))], {}, "nothing", []),
        ([hook(active=False)], {"updates": True}, "replace", ["disabled"]),
        ([hook(active=True)], {}, "nothing", []),
        ([hook(secret=None)], {}, "replace", ["secret"]),
        ([hook(secret=None)], {"shows_secret": False}, "nothing", []),
        ([hook(secret=MINE[1])], {}, "replace", ["secret"]),
        ([hook(secret="changed-there")], {}, "replace", ["secret"]),
        ([hook(url=OLDER)], {"updates": True}, "replace", ["old_url"]),
        ([hook(), hook("h2")], {}, "delete", ["double"]),
        ([hook(url=OLDER), hook("h2")], {}, "adopt", ["double"]),
        ([hook(url=ELSEWHERE)], {}, "create", ["foreign_url", "missing"]),
    ],
)
def test_a_difference_has_its_remedy(listed: list[Webhook], about: Any, kind: str, found: list[str]) -> None:
    made = plan(WANTED, listed, known(**about))
    assert (made.kind, [drift.what for drift in made.drift]) == (kind, found)
    assert made.decide is None


def test_the_new_one_is_there_before_the_old_one_goes() -> None:
    made = plan(WANTED, [hook(secret=MINE[1])], known())
    assert [(step.verb, step.webhook) for step in made.steps] == [("create", None), ("delete", "h1")]


def test_of_a_vendor_that_shows_no_secret_only_what_was_given_is_known() -> None:
    given = Remote(id="h1", url=NOW, events=EVENTS, checked_at=0, secret=MINE[1])
    made = plan(WANTED, [hook(secret=None)], known(shows_secret=False, last=given))
    assert made.kind == "replace"


def test_an_unsigned_webhook_is_known_by_its_label_or_where_there_is_none_by_a_url_of_its_own() -> None:
    unsigned, wanted = replace(KNOWN, secrets=(), keeps_label=False), replace(WANTED, secret=None)
    plain = hook(secret=None)
    assert standing(wanted, [plain], unsigned) is None, "on a shared URL, anybody's"
    assert standing(wanted, [replace(plain, label="somebody's")], replace(unsigned, alone=True)) is None
    assert standing(wanted, [replace(plain, label=LABEL)], unsigned) is not None
    assert standing(wanted, [plain], replace(unsigned, alone=True)) is not None
    assert standing(wanted, [plain], replace(unsigned, alone=True, keeps_label=True)) is None, "ours would say so"


@pytest.mark.parametrize("label", [None, "", "by hand"])
def test_what_somebody_made_on_a_url_of_ours_is_left_alone_and_named(label: str | None) -> None:
    about, wanted = known(secrets=(), alone=True, shows_secret=False), replace(WANTED, secret=None)
    ours, theirs = hook(secret=None, label=LABEL), hook("h2", secret=None, label=label)
    made = plan(wanted, [ours, theirs], about)
    assert (made.kind, made.drift) == ("nothing", ())
    assert made.left == ("h2 calls this connection's URL, but was not made by this gateway: left alone.",)
    assert plan(wanted, [theirs], about).kind == "create"
    assert plan(None, [theirs], about).steps == ()


def test_another_connection_of_ours_keeps_its_own() -> None:
    made = plan(WANTED, [hook(), hook("h2")], known(taken=frozenset({"h2"})))
    assert made.kind == "nothing"


# --- what a person decides -----------------------------------------------------------------------------------------


MOVED = {"last": last(url=BEFORE)}


@pytest.mark.parametrize(
    ("about", "verbs"),
    [
        ({}, ["create", "delete"]),
        ({"decision": "move"}, ["create", "delete"]),
        ({"decision": "beside"}, ["create"]),
        ({"restored": True}, ["create"]),
        ({"restored": True, "decision": "move"}, ["create", "delete"]),
        ({"restored": True, "decision": "beside"}, ["create"]),
    ],
)
def test_at_a_new_address_a_person_says_what_becomes_of_the_old_webhook(about: Any, verbs: list[str]) -> None:
    made = plan(WANTED, [hook(url=BEFORE)], known(**MOVED, **about))
    assert [step.verb for step in made.steps] == verbs
    assert (made.decide is None) == ("decision" in about)


def test_a_restored_database_waits_for_a_person_even_where_all_is_well() -> None:
    made = plan(WANTED, [hook()], known(restored=True))
    assert (made.kind, made.decide is None) == ("nothing", False)


def test_a_token_that_is_not_accepted_any_more_is_an_address_too() -> None:
    before = "https://g.example/in/GONE-TOKEN"
    made = plan(WANTED, [hook(url=before)], known(last=last(url=before)))
    assert made.decide is not None
    assert "with another token" in made.decide


def test_what_is_made_by_hand_has_nothing_to_look_at() -> None:
    assert by_hand(restored=False).decide is None
    assert by_hand(restored=True).decide is not None


def test_a_place_shows_neither_path_nor_log_in() -> None:
    assert place(ELSEWHERE) == "https://else.example"


# --- laws ----------------------------------------------------------------------------------------------------------

webhooks = st.builds(
    Webhook,
    id=st.sampled_from([f"h{n}" for n in range(1, 9)]),
    url=st.sampled_from([NOW, OLDER, BEFORE, ELSEWHERE, NOW + "x"]),
    events=st.sampled_from([EVENTS, EVENTS[:1], (), ("else",)]),
    active=st.sampled_from([None, True, False]),
    secret=st.sampled_from([None, *MINE, "their-secret"]),
    label=st.sampled_from([None, LABEL, "gateway con_2", "by hand"]),
)
lists = st.lists(webhooks, max_size=8, unique_by=lambda webhook: webhook.id)
knowledge = st.builds(
    Known,
    urls=st.sampled_from([(NOW,), (NOW, OLDER)]),
    secrets=st.sampled_from([(), MINE[:1], MINE]),
    label=st.just(LABEL),
    ids=st.frozensets(st.sampled_from(["h1", "h2", "h3"])),
    taken=st.frozensets(st.sampled_from(["h4", "h5"])),
    last=st.one_of(st.none(), st.builds(last, st.sampled_from(["h1", "h2"]), st.sampled_from([NOW, OLDER, BEFORE]))),
    leaving=st.sampled_from([(), (last("h3", BEFORE),)]),
    alone=st.booleans(),
    updates=st.booleans(),
    shows_secret=st.booleans(),
    keeps_label=st.booleans(),
    restored=st.booleans(),
    decision=st.sampled_from([None, "move", "beside"]),
)


def wanted_by(about: Known) -> Wanted:
    return replace(WANTED, secret=about.secrets[0] if about.secrets else None)


def may_touch(webhook: Webhook, about: Known) -> bool:
    """State whose a webhook is, in the words of the promise rather than in those of the code."""
    if webhook.id in about.taken:
        return False
    moves = about.decision == "move" or (about.decision is None and not about.restored)
    at_last = (webhook.id, webhook.url) in [(one.id, one.url) for one in (about.last, *about.leaving) if one]
    if webhook.url not in about.urls:
        return at_last and moves
    ours_by_name = webhook.label == LABEL or (webhook.secret is not None and webhook.secret in about.secrets)
    nameless = not about.keeps_label and webhook.label is None and webhook.secret is None and not about.secrets
    return ours_by_name or webhook.id in about.ids or (about.alone and nameless)


@given(lists, knowledge)
def test_nobody_elses_webhook_is_ever_named_by_a_step(listed: list[Webhook], about: Known) -> None:
    by_id = {webhook.id: webhook for webhook in listed}
    for wanted in (wanted_by(about), None):
        for step in plan(wanted, listed, about).steps:
            assert step.webhook is None or may_touch(by_id[step.webhook], about)


@given(lists, knowledge)
def test_after_the_steps_exactly_one_of_ours_is_there_as_wanted_and_there_is_nothing_to_do(
    listed: list[Webhook], about: Known
) -> None:
    wanted = wanted_by(about)
    decision: Decision = about.decision or ("beside" if about.restored else "move")
    after, learnt = carried_out(plan(wanted, listed, about), wanted, listed, replace(about, decision=decision))
    then = replace(learnt, decision=None, restored=False, leaving=())
    again = plan(wanted, after, then)
    assert (again.kind, again.decide) == ("nothing", None)
    mine = [webhook for webhook in after if may_touch(webhook, then)]
    assert len(mine) == 1
    assert (mine[0].url, set(mine[0].events)) == (wanted.url, set(wanted.events))
    theirs = [webhook for webhook in listed if not may_touch(webhook, about)]
    assert [webhook for webhook in theirs if webhook not in after] == []


@given(lists, knowledge)
def test_taking_away_leaves_nothing_of_ours_and_everything_else(listed: list[Webhook], about: Known) -> None:
    gone = {step.webhook for step in plan(None, listed, about).steps}
    assert gone == {webhook.id for webhook in listed if may_touch(webhook, about)}


@given(lists, knowledge)
def test_no_word_of_a_plan_shows_a_token_or_a_secret(listed: list[Webhook], about: Known) -> None:
    made = plan(wanted_by(about), listed, about)
    said = " ".join([made.words, made.decide or "", *made.left, *(step.words for step in made.steps)])
    for secret in ("TOKEN", "pw", *MINE, "their-secret"):
        assert secret not in said


@given(lists, knowledge)
def test_a_plan_that_changes_something_says_why(listed: list[Webhook], about: Known) -> None:
    made = plan(wanted_by(about), listed, about)
    assert made.kind in ("nothing", "adopt") or made.drift
    assert (made.kind == "nothing") == (not made.steps)


def carried_out(made: Plan, wanted: Wanted, listed: Sequence[Webhook], about: Known) -> tuple[list[Webhook], Known]:
    """Do at an imagined vendor what a plan says; what is there then, and what our row knows then."""
    there, numbers = {webhook.id: webhook for webhook in listed}, count(1)
    for step in made.steps:
        if step.verb == "create":
            new = Webhook(
                id=f"new-{next(numbers)}",
                url=wanted.url,
                events=wanted.events,
                secret=wanted.secret if about.shows_secret else None,
                label=wanted.label,
            )
            there[new.id] = new
            about = replace(about, ids=about.ids | {new.id}, last=noted(new, wanted))
        elif step.verb == "delete":
            del there[str(step.webhook)]
        else:
            one = str(step.webhook)
            there[one] = replace(there[one], events=wanted.events)
            about = replace(about, ids=about.ids | {one}, last=noted(there[one], wanted))
    if about.last is not None and about.last.id in there and about.last.url not in about.urls:
        raise AssertionError("the row still names a webhook that it has left")
    return list(there.values()), about


def noted(webhook: Webhook, wanted: Wanted) -> Remote:
    return Remote(id=webhook.id, url=wanted.url, events=webhook.events, checked_at=0, secret=wanted.secret)
