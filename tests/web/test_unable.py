"""An outage of the store is told in a few lines, however many call meanwhile."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.contract.errors import StoreUnavailable
from gateway.web import unable as module
from gateway.web.unable import MOST_REASONS, Unable


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def test_a_reason_is_logged_at_once_and_then_counted(logged: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    told = Unable()
    for _ in range(1000):
        told.tell(StoreUnavailable("the disk is full"))
        told.tell(StoreUnavailable("the database is away"))
    assert [line["reason"] for line in logged] == ["the disk is full", "the database is away"]
    monkeypatch.setattr(module, "SAY_AGAIN_SECONDS", 0.0)
    told.tell(StoreUnavailable("the disk is full"))
    assert logged[-1]["not_said"] == 999


def test_reasons_that_never_repeat_take_no_memory() -> None:
    told = Unable()
    for number in range(1000):
        told.tell(StoreUnavailable(f"reason {number}"))
    assert len(told._said) <= MOST_REASONS
