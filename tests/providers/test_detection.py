"""One URL for all: a body that nobody signed is one provider's by its shape, or nobody's."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.contract.provider import Account, Inbound, Provider, parsed
from gateway.contract.testing.probing import BROKEN, CONTENT_TYPES, headers_beside
from gateway.registry import load_simulator
from providers import PROVIDERS

HERE = Path(__file__).parent
INVENTED = HERE.parent / "contract" / "invented"
KNOWN = [file for provider in PROVIDERS for file in sorted((HERE / provider.name / "payloads").iterdir())]
OTHERS = [
    file for provider in PROVIDERS for file in sorted((HERE / provider.name).rglob("*.json")) if file not in KNOWN
]
FOREIGN = sorted(INVENTED.rglob("payloads/*"))


def claimants(body: bytes, headers: tuple[tuple[str, bytes], ...]) -> list[str]:
    """Name the providers that take a call for theirs."""
    inbound = Inbound("https://gateway.example.com/in/token", headers, body, datetime(2026, 3, 1, tzinfo=UTC))
    told = parsed(inbound)
    return [p.name for p in PROVIDERS if p.recognises(inbound, told, Account("con_test", None, p.settings()))]


def claimed(file: Path) -> list[str]:
    return claimants(file.read_bytes(), tuple((n, v.encode()) for n, v in headers_beside(file).items()))


def spelled(file: Path) -> str:
    return f"{file.parent.parent.name}-{file.stem}"


@pytest.mark.parametrize("file", [file for file in KNOWN if file.suffix in CONTENT_TYPES], ids=spelled)
def test_a_payload_is_recognised_by_its_own_provider_alone(file: Path) -> None:
    assert claimed(file) == [file.parent.parent.name]


@pytest.mark.parametrize("file", OTHERS, ids=spelled)
def test_a_body_that_is_refused_or_odd_is_never_another_providers(file: Path) -> None:
    assert set(claimed(file)) <= {file.relative_to(HERE).parts[0]}


@pytest.mark.parametrize("file", FOREIGN, ids=spelled)
def test_a_stranger_is_nobodys(file: Path) -> None:
    assert claimed(file) == []


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_nonsense_is_nobodys(body: bytes) -> None:
    assert claimants(body, ()) == []


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)
def test_a_simulators_calls_are_recognised_by_its_own_provider_alone(provider: Provider) -> None:
    simulator = load_simulator(provider)()
    simulator.paste("https://gateway.example.com/in/token")
    for scene in simulator.story():
        for call in simulator.calls(scene.word, scene.body):
            headers = tuple((name.lower(), value.encode()) for name, value in call.headers)
            assert claimants(call.body, headers) == [provider.name]
