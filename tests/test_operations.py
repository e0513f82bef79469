"""What is given to operators beside the program asks for nothing that the program does not have."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # -- it ships no types, and only reads a file here

from gateway import operations
from gateway.cli.main import cli
from gateway.config import KNOWN
from gateway.contract.errors import StoreUnavailable
from gateway.metrics import Metrics
from tests.web.conftest import Consumer, Gateway
from tests.web.conftest import consumer as consumer  # noqa: PLC0414 -- a fixture
from tests.web.conftest import gateway as gateway  # noqa: PLC0414 -- a fixture

FOLDER = Path(str(operations.__file__)).parent
FILES = ("alerts.yml", "compose.yaml", "compose.postgres.yaml", "Dockerfile", "gateway.service", "grafana.json")
CODE = re.compile(r"`gateway ([a-z -]+?)(?: \{\{.*?| --.*?)?`")


def text(name: str) -> str:
    return (FOLDER / name).read_text()


def asked() -> dict[str, str]:
    """Find every expression, by where it is."""
    return {rule["alert"]: rule["expr"] for rule in rules()} | {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels() for target in panel["targets"]
    }


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(text("alerts.yml"))["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text("grafana.json"))["panels"]
    return found


async def told(gateway: Gateway, consumer: Consumer) -> str:
    """Read /metrics after a bit of everything happened."""
    await gateway.connect()
    await gateway.post("/v1/destinations", {"url": consumer.url}, 201)
    await gateway.says((await gateway.get("/v1/url"))["inbound_url"], booking="b1")
    gateway.services.loops.start("watch", failing)
    metrics: Metrics = gateway.services.metrics
    metrics.attempted("dst", "delivered", 0.1)
    metrics.delivered("dst", 0.1)
    return (await gateway.http.get("/metrics")).text


async def failing() -> None:
    raise StoreUnavailable("gone")


async def test_every_metric_asked_for_is_told(gateway: Gateway, consumer: Consumer) -> None:
    there = set(re.findall(r"^(?:# TYPE )?(\w+)[{ ]", await told(gateway, consumer), flags=re.MULTILINE))
    for place, expression in asked().items():
        names = set(re.findall(r"\b(?:gateway|process)_\w+", expression))
        assert names, place
        assert names <= there, place


async def test_every_label_asked_for_is_told(gateway: Gateway, consumer: Consumer) -> None:
    labels: dict[str, set[str]] = defaultdict(set)
    for name, given in re.findall(r"^(\w+)\{(.*?)\} ", await told(gateway, consumer), flags=re.MULTILINE):
        labels[name] |= set(re.findall(r'(\w+)="', given))
    shown = {f"{panel['title']} {t['refId']}": t["legendFormat"] for panel in panels() for t in panel["targets"]}
    said = {rule["alert"]: str(rule["annotations"]) for rule in rules()}
    for place, expression in asked().items():
        there = set().union(*(labels[name] for name in re.findall(r"\bgateway_\w+", expression)))
        wanted = set(re.findall(r"(\w+)=~?\"", expression))
        wanted |= {name for group in re.findall(r"by \((.*?)\)", expression) for name in group.split(", ")}
        wanted |= set(re.findall(r"\{\{(\w+)\}\}", shown.get(place, "")))
        wanted |= set(re.findall(r"\$labels\.(\w+)", said.get(place, "")))
        assert wanted - {"job"} <= there, place  # Prometheus adds the job


def test_every_alert_says_what_to_do_next() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "next"}
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_command_named_exists() -> None:
    named = [words.split() for words in CODE.findall(text("alerts.yml"))]
    assert len(named) > 5
    for words in named:
        command: Any = cli
        for word in words:
            command = command.commands[word]


@pytest.mark.parametrize("name", FILES)
def test_every_setting_named_exists(name: str) -> None:
    named = set(re.findall(r"GATEWAY_([A-Z_]+)", text(name)))
    assert named <= {known.upper() for known in KNOWN} | {"CONFIG"}


def test_what_was_not_built_here_says_so() -> None:
    for name in ("Dockerfile", "compose.yaml", "compose.postgres.yaml"):
        assert "by the project's own tests" in text(name).splitlines()[0]
    services = yaml.safe_load(text("compose.yaml"))["services"]
    assert services["gateway"]["build"]["dockerfile"] == "gateway/operations/Dockerfile"


def test_two_gateways_on_one_database_are_set_up_alike_but_for_their_own_places() -> None:
    services = yaml.safe_load(text("compose.postgres.yaml"))["services"]
    first, second = services["gateway-1"], services["gateway-2"]
    assert first["build"]["dockerfile"] == "gateway/operations/Dockerfile"
    assert first["environment"] == second["environment"]
    assert set(first["volumes"]).isdisjoint(second["volumes"])
    (config,) = services["caddy"]["configs"]
    assert f"--config {config['target']}" in services["caddy"]["command"]
    proxy = yaml.safe_load(text("compose.postgres.yaml"))["configs"][config["source"]]["content"]
    assert "reverse_proxy gateway-1:8081 gateway-2:8081 {" in proxy
    assert "lb_try_duration" in proxy, "else a call that one of them does not take is lost to the other"
    assert "health_uri /ready" in proxy, "else one that is gone or frozen gets calls"
    assert "fail_duration" not in proxy, "else a call that cannot be offered again turns both away"


def test_the_container_copies_only_what_is_there() -> None:
    copied = [line.split()[1:-1] for line in text("Dockerfile").splitlines() if line.startswith("COPY")]
    for name in (name for names in copied for name in names):
        assert (FOLDER.parents[1] / name).exists()
