"""A request's name leads from its answer to what was logged about it."""

from typing import Any

import pytest
import structlog

from gateway.web.naming import FIELD, HEADER
from tests.web.conftest import Gateway


@pytest.fixture
def logged() -> Any:
    """Collect what is logged, with what is bound to it."""
    lines: list[dict[str, Any]] = []

    def keep(_: object, __: str, line: dict[str, Any]) -> dict[str, Any]:
        lines.append(line)
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    processors = structlog.get_config()["processors"]
    kept = list(processors)
    processors[:] = [structlog.contextvars.merge_contextvars, keep]  # in place: loggers hold on to the list
    yield lines
    processors[:] = kept
    assert structlog.get_config()["processors"] is before


async def test_every_answer_is_named_anew(gateway: Gateway) -> None:
    names = [(await gateway.http.get("/v1/stats", headers={HEADER: "mine"})).headers[HEADER] for _ in range(3)]
    assert len(set(names)) == 3
    assert all(name.startswith("req_") for name in names)


async def test_what_is_logged_about_a_request_has_its_name(
    gateway: Gateway, logged: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr(gateway.services.store, "counts", fail)
    answer = await gateway.http.get("/v1/stats")
    assert answer.status_code == 500
    (line,) = [line for line in logged if line["event"] == "unexpected_error"]
    assert line[FIELD] == answer.headers[HEADER]
    assert "canary" not in str(line)
