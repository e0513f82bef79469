"""People are read the same from every vendor's spelling, and forms from every likely shape."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import AnswerType, Person
from gateway.contract.likely import answers, respondent
from gateway.contract.people import PARTS, identifier, people, person
from gateway.contract.testing.probing import ODD

ADA = Person(id="7", name="Ada Lindqvist", given_name="Ada", family_name="Lindqvist", email="ada@example.com")


@pytest.mark.parametrize(
    "spelled",
    [
        {"id": "7", "firstname": "Ada", "lastname": "Lindqvist", "email": "ada@example.com"},
        {"user_id": 7, "givenName": "Ada", "familyName": "Lindqvist", "emailAddress": "ada@example.com", "name": ""},
        {
            "first_name": " Ada",
            "last_name": "Lindqvist",
            "full_name": "Ada Lindqvist",
            "email": "ada@example.com",
            "id": 7,
        },
    ],
)
def test_each_spelling_is_the_same_person(spelled: dict[str, Any]) -> None:
    assert person(spelled, _unexpected) == ADA
    assert person(dict(reversed(spelled.items())), _unexpected) == ADA


def test_a_text_is_a_name_or_an_address() -> None:
    assert person("bo@example.com", _unexpected) == Person(email="bo@example.com")
    assert person(" Bo ", _unexpected) == Person(name="Bo")


@pytest.mark.parametrize("value", [None, 7, "", " ", [], {}, {"role": "host"}, {"email": None, "name": []}])
def test_what_says_nothing_about_a_person_is_nobody(value: object) -> None:
    assert person(value, _unexpected) is None


def test_an_invented_zone_is_dropped_and_said() -> None:
    said: list[str] = []
    assert person({"name": "Ada", "timezone": "Mars/Olympus"}, said.append) == Person(name="Ada")
    assert said == ["timezone_unrecognised"]


def test_a_missing_list_is_said_and_an_empty_one_is_none_of_them() -> None:
    said: list[str] = []
    assert people(None, "hosts_not_stated", said.append) is None
    assert people({"0": "Ada"}, "hosts_not_stated", said.append) is None
    assert said == ["hosts_not_stated"] * 2
    assert people([], "hosts_not_stated", _unexpected) == ()
    assert people([None, "Bo", {}], "hosts_not_stated", _unexpected) == (Person(name="Bo"),)


@pytest.mark.parametrize(
    ("value", "read_as"), [("x", "x"), (7, "7"), (0, "0"), (True, None), (1.5, None), (2**70, None)]
)
def test_an_id_is_a_text_or_a_whole_number(value: object, read_as: str | None) -> None:
    assert identifier(value) == read_as


@given(st.lists(st.sampled_from(ODD) | st.dictionaries(st.sampled_from(sorted(PARTS)), st.sampled_from(ODD))))
def test_whatever_stands_in_a_list_of_people_it_can_be_read(values: list[Any]) -> None:
    assert people(values, "hosts_not_stated", list[str]().append) is not None


LISTED = {
    "answers": [
        {"label": "Size", "fieldType": "select", "value": "11-50"},
        {"question": "News?", "type": "yes-no", "answer": 0},
    ]
}


def test_answers_are_read_from_a_list_of_questions() -> None:
    read = answers(LISTED, _unexpected)
    assert read is not None
    assert [(a.question, a.type, a.value) for a in read] == [
        ("Size", AnswerType.CHOICE, "11-50"),
        ("News?", AnswerType.BOOLEAN, False),
    ]


def test_answers_are_read_from_an_object_by_question() -> None:
    said: list[str] = []
    read = answers({"fields": {"Size": "11-50", "Topics": ["a", "b"]}}, said.append)
    assert read is not None
    assert [(a.question, a.text) for a in read] == [("Size", "11-50"), ("Topics", "a, b")]
    assert set(said) == {"answer_type_unrecognised"}


@pytest.mark.parametrize("form", [None, {}, {"answers": None}, {"answers": "yes"}, {"other": []}])
def test_a_form_without_answers_states_none(form: object) -> None:
    assert answers(form, _unexpected) is None


def test_who_filled_a_form_in_is_found() -> None:
    assert respondent({"contact": {"email": "bo@example.com"}}, _unexpected) == Person(email="bo@example.com")
    assert respondent({"email": "bo@example.com"}, _unexpected) is None


def _unexpected(warning: str) -> None:
    raise AssertionError(warning)


def test_lists_that_no_call_has_are_not_understood() -> None:
    for read in (
        lambda: people([{}] * 5001, "hosts_not_stated", lambda _: None),
        lambda: answers({"answers": [0] * 5001}, lambda _: None),
        lambda: answers({"answers": dict.fromkeys(map(str, range(5001)))}, lambda _: None),
    ):
        with pytest.raises(NotUnderstood, match="more than 5000 entries"):
            read()
