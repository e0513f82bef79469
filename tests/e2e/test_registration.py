"""Webhooks at vendors look after themselves: the real program and real sockets against the vendors' stand-ins."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.simulator import Fault, Hook, Simulator
from gateway.registry import load_providers, load_simulator
from tests.conftest import serving
from tests.e2e.running import Gateway

SECONDS = 60.0
"""A wait that takes so long has failed; none of them is meant to."""


@dataclass
class Vendor:
    """One vendor and the gateway's connection to it. `theirs`: webhooks of somebody else's."""

    gateway: Gateway
    simulation: Simulator
    provider: str
    settings: dict[str, Any]
    connection: str = ""
    theirs: tuple[Hook, ...] = ()

    def connect(self, **fields: Any) -> Any:
        """Connect beside webhooks of others: one elsewhere, one on our own URL."""
        url = self.gateway.call("GET", "/v1/url")["inbound_url"]
        self.theirs = (self.simulation.paste("https://else.example/x", "theirs"), self.simulation.paste(url, "theirs"))
        asked = {"provider": self.provider, "credentials": dict(self.simulation.credentials), "settings": self.settings}
        made = self.gateway.call("POST", "/v1/connections", asked | fields)
        self.connection = made["id"]
        return made

    def ask(self, verb: str, **body: Any) -> Any:
        return self.gateway.call("POST", f"/v1/connections/{self.connection}/{verb}", body or None)

    def show(self) -> Any:
        return self.gateway.call("GET", f"/v1/connections/{self.connection}")

    def ours(self) -> list[Hook]:
        """List what is there beside what is somebody else's, which must be as it was."""
        assert [self.simulation.hooks.get(hook.id) for hook in self.theirs] == list(self.theirs)
        return [hook for hook in self.simulation.hooks.values() if hook not in self.theirs]

    def until(self, holds: Callable[[], object]) -> None:
        """Wait for what the watch does."""
        end = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < end, (self.show(), self.simulation.hooks)
            time.sleep(0.05)

    def is_well(self) -> bool:
        """Say whether one webhook of ours is there, as the gateway has it."""
        shown, ours = self.show(), self.ours()
        return (
            shown["status"] in ("waiting", "active")
            and shown["problem"] is None
            and [(hook.id, hook.url) for hook in ours] == [(shown["remote"]["id"], shown["inbound_url"])]
        )

    def books(self) -> list[str]:
        """Have the vendor call with the first scene of its story; what the calls to us are answered."""
        scene = self.simulation.story()[0]
        subscribed = [hook for hook in self.ours() if scene.word in hook.events]
        calls = [(hook.url, self.simulation.headers(hook, scene.word, scene.body)) for hook in subscribed]
        return [self.gateway.post(url, scene.body, dict(headers))["status"] for url, headers in calls]

    def reasons(self) -> list[str]:
        """List what operators were told, oldest first."""
        events = self.gateway.call("GET", "/v1/events?types=gateway.connection_changed&limit=500")["items"]
        return [f"{event['data']['status']}: {event['data']['reason']}" for event in events]


@contextlib.contextmanager
def vendor(directory: Path, provider: str, interval: str) -> Iterator[Vendor]:
    plugin = load_providers()[provider]
    simulation = load_simulator(plugin)()
    with serving(simulation.app) as url:
        gateway = Gateway(
            directory / "data",
            {
                "GATEWAY_EGRESS_ALLOW": f"127.0.0.1/32:{url.rpartition(':')[2]}",
                "GATEWAY_WATCH_INTERVAL": interval,
                "GATEWAY_PUBLIC_URL": "http://gateway.example",
            },
        ).start()
        try:
            yield Vendor(gateway, simulation, provider, simulation.settings(url))
        finally:
            if gateway.process is not None:
                gateway.kill()


@pytest.fixture
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    """A vendor whose webhooks are looked at all the time."""
    with vendor(tmp_path, request.param, "0.3") as made:
        yield made


@pytest.fixture
def unwatched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    """A vendor whose webhooks are looked at when the gateway starts, and when somebody asks."""
    with vendor(tmp_path, request.param, "3600") as made:
        yield made


BOTH = ["harmonizely", "meetergo"]


@pytest.mark.parametrize("unwatched", BOTH, indirect=True)
def test_a_plan_is_shown_before_anything_is_changed(unwatched: Vendor) -> None:
    made = unwatched.connect()
    assert unwatched.ask("check")["plan"]["kind"] == "nothing"
    unwatched.simulation.hooks[made["remote"]["id"]].events = unwatched.simulation.hooks[made["remote"]["id"]].events[
        :1
    ]
    before = dict(unwatched.simulation.hooks)
    checked, dry = unwatched.ask("check"), unwatched.ask("repair", dry_run=True)
    assert [drift["what"] for drift in checked["drift"]] == ["events"]
    assert checked["plan"] == dry["plan"]
    assert unwatched.simulation.hooks == before
    done = unwatched.ask("repair")
    assert done["done"]
    assert unwatched.is_well()
    assert unwatched.books() == ["accepted"]


@pytest.mark.parametrize("watched", BOTH, indirect=True)
def test_the_watch_repairs_what_was_deleted_and_what_was_changed_and_says_so(watched: Vendor) -> None:
    made = watched.connect()
    del watched.simulation.hooks[made["remote"]["id"]]
    watched.until(watched.ours)
    watched.until(watched.is_well)
    (hook,) = watched.ours()
    hook.events = hook.events[:1]
    watched.until(lambda: [len(hook.events) for hook in watched.ours()] == [len(made["remote"]["events"])])
    watched.until(lambda: len(watched.reasons()) == 2)
    assert watched.is_well()
    assert watched.books() == ["accepted"]
    gone, changed = watched.reasons()
    assert "No webhook of this connection is there" in gone
    assert "calls for other events" in changed
    assert watched.gateway.log.read_text().count("connection_repaired") == 2


@pytest.mark.parametrize("watched", ["meetergo"], indirect=True)
def test_six_places_that_others_fill_are_said_and_the_first_free_one_is_taken(watched: Vendor) -> None:
    made = watched.connect()
    others = {f"h{n}": Hook(id=f"h{n}", url="https://other.example", events=("booking_created",)) for n in range(4)}
    del watched.simulation.hooks[made["remote"]["id"]]
    watched.simulation.hooks |= others
    watched.until(lambda: watched.show()["status"] == "needs_repair")
    assert "Company reached maximum" in watched.show()["problem"]
    assert "Delete a webhook there" in watched.show()["problem"]
    del watched.simulation.hooks["h0"]
    watched.until(lambda: [hook.label for hook in watched.ours() if hook.id not in others] != [])
    watched.until(lambda: watched.show()["status"] == "waiting")
    assert [reason.partition(":")[0] for reason in watched.reasons()] == ["needs_repair", "waiting"]


@pytest.mark.parametrize("unwatched", ["meetergo"], indirect=True)
def test_in_a_full_account_a_webhook_moves_without_leaving_its_place(unwatched: Vendor) -> None:
    made = unwatched.connect(own_url=True)
    for n in range(3):
        unwatched.simulation.hooks[f"h{n}"] = Hook(id=f"h{n}", url="https://other.example", events=("booking_created",))
    unwatched.theirs = tuple(hook for hook in unwatched.simulation.hooks.values() if hook.id != made["remote"]["id"])
    rotated = unwatched.ask("rotate")
    assert rotated["done"] == [
        "The account has no room for one more webhook.", f"Changed {made['remote']['id']} in place."
    ]  # fmt: skip
    assert rotated["inbound_url"] != made["inbound_url"]
    assert unwatched.is_well()
    assert unwatched.books() == ["accepted"]


@pytest.mark.parametrize("unwatched", ["harmonizely"], indirect=True)
def test_calls_under_the_old_secret_and_on_the_old_url_are_still_accepted(unwatched: Vendor) -> None:
    made = unwatched.connect(own_url=True)
    old = unwatched.simulation.hooks[made["remote"]["id"]]
    secret = unwatched.ask("rotate")["signing_secret"]
    assert [hook.secret for hook in unwatched.ours()] == [secret]
    assert secret != made["signing_secret"]
    moved = unwatched.ask("rotate", inbound_url=True)
    assert {one["kind"] for one in moved["replaced"]} == {"secret", "inbound_url"}
    assert unwatched.books() == ["accepted"]
    scene = unwatched.simulation.story()[1]
    headers = dict(unwatched.simulation.headers(old, scene.word, scene.body))
    assert unwatched.gateway.post(old.url, scene.body, headers)["status"] == "accepted"
    assert unwatched.ask("rotate", finish=True)["replaced"] == []
    with pytest.raises(urllib.error.HTTPError, match="404"):
        unwatched.gateway.post(old.url, scene.body, headers)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        unwatched.gateway.post(moved["inbound_url"], scene.body, headers)


@pytest.mark.parametrize("watched", BOTH, indirect=True)
def test_the_shared_url_gets_a_new_token_and_the_webhooks_follow(watched: Vendor) -> None:
    made = watched.connect()
    told = watched.gateway.call("POST", "/v1/url/rotate")
    assert told["inbound_url"] != made["inbound_url"]
    assert [old["waiting"] for old in told["older"]] == [[watched.connection]]
    watched.until(watched.is_well)
    assert [hook.url for hook in watched.ours()] == [told["inbound_url"]]
    watched.until(lambda: watched.gateway.call("GET", "/v1/url")["older"][0]["retires_at"])
    assert watched.books() == ["accepted"]
    assert watched.gateway.call("POST", "/v1/url/rotate", {"finish": True})["older"] == []
    assert watched.books() in (["accepted"], ["duplicate"])


@pytest.mark.parametrize("watched", BOTH, indirect=True)
def test_a_key_that_is_refused_is_a_broken_connection_and_a_new_one_mends_it(watched: Vendor) -> None:
    watched.connect()
    good = dict(watched.simulation.credentials)
    watched.gateway.call("PATCH", f"/v1/connections/{watched.connection}", {"credentials": {"api_key": "expired-key"}})
    watched.until(lambda: watched.show()["status"] == "broken")
    assert "Check `credentials`" in watched.show()["problem"]
    assert "expired-key" not in watched.gateway.log.read_text() + str(watched.reasons())
    watched.gateway.call("PATCH", f"/v1/connections/{watched.connection}", {"credentials": good})
    watched.until(watched.is_well)
    assert [reason.partition(":")[0] for reason in watched.reasons()] == ["broken", "waiting"]


@pytest.mark.parametrize("unwatched", BOTH, indirect=True)
def test_a_connection_whose_key_is_dead_can_be_forgotten(unwatched: Vendor) -> None:
    unwatched.connect()
    path = f"/v1/connections/{unwatched.connection}"
    unwatched.gateway.call("PATCH", path, {"credentials": {"api_key": "expired-key"}})
    unwatched.gateway.call("DELETE", path)
    assert unwatched.show()["status"] == "removing"
    unwatched.gateway.call("DELETE", f"{path}?force=true")
    assert unwatched.gateway.call("GET", "/v1/connections")["items"] == []
    assert len(unwatched.ours()) == 1, "it is left there, and that is said"


@pytest.mark.parametrize("unwatched", BOTH, indirect=True)
def test_a_new_public_url_waits_for_a_person_who_then_moves_it(unwatched: Vendor) -> None:
    made = unwatched.connect()
    before = dict(unwatched.simulation.hooks)
    unwatched.gateway.kill(signal.SIGTERM)
    unwatched.gateway.environment["GATEWAY_PUBLIC_URL"] = "http://moved.example"
    unwatched.gateway.start()
    unwatched.until(lambda: unwatched.show()["status"] == "needs_repair")
    assert unwatched.simulation.hooks == before
    assert "http://gateway.example" in unwatched.ask("check")["plan"]["decide"]
    unwatched.ask("repair")
    assert unwatched.is_well()
    assert [hook.url.startswith("http://moved.example/") for hook in unwatched.ours()] == [True]
    assert made["remote"]["id"] not in unwatched.simulation.hooks


def gone(made: Vendor) -> list[bool]:
    """Look at what the log says of tokens that are gone: of each line, whether it is of this connection."""
    lines = made.gateway.log.read_text().splitlines()
    return [made.connection in line for line in lines if "inbound_token_gone" in line]


@pytest.mark.parametrize("unwatched", BOTH, indirect=True)
def test_a_token_that_was_taken_out_of_the_settings_is_said_and_a_repair_puts_it_right(unwatched: Vendor) -> None:
    unwatched.gateway.environment["GATEWAY_INBOUND_TOKENS"] = "a" * 43
    unwatched.gateway.kill(signal.SIGTERM)
    unwatched.gateway.start()
    unwatched.connect()
    unwatched.gateway.kill(signal.SIGTERM)
    unwatched.gateway.environment["GATEWAY_INBOUND_TOKENS"] = "b" * 43 + "," + "a" * 43
    unwatched.gateway.start()
    assert gone(unwatched) == []
    unwatched.until(unwatched.is_well)
    unwatched.gateway.kill(signal.SIGTERM)

    unwatched.gateway.environment["GATEWAY_INBOUND_TOKENS"] = "c" * 43
    unwatched.gateway.start()
    assert gone(unwatched) == [True]
    unwatched.until(lambda: unwatched.show()["status"] == "needs_repair")
    assert "with another token" in unwatched.show()["problem"]
    unwatched.ask("repair")
    assert unwatched.is_well()
    assert unwatched.books() == ["accepted"]
    unwatched.gateway.kill(signal.SIGTERM)
    unwatched.gateway.start()
    assert gone(unwatched) == [True], "no line more"


@pytest.mark.parametrize("unwatched", ["harmony"], indirect=True)
def test_a_token_that_a_person_pasted_and_that_is_gone_is_said(unwatched: Vendor) -> None:
    unwatched.connect()
    url = unwatched.gateway.call("GET", "/v1/url")["inbound_url"]
    unwatched.gateway.post(url, unwatched.simulation.story()[0].body, {})
    for token, said in ((url.rpartition("/")[2], []), ("c" * 43, [True])):
        unwatched.gateway.kill(signal.SIGTERM)
        unwatched.gateway.environment["GATEWAY_INBOUND_TOKENS"] = token
        unwatched.gateway.start()
        assert gone(unwatched) == said


@pytest.mark.embedded  # only `gateway backup` makes a copy that knows that it is one
@pytest.mark.parametrize("unwatched", BOTH, indirect=True)
def test_a_copy_out_of_a_backup_keeps_its_hands_off_until_a_person_says_so(unwatched: Vendor, tmp_path: Path) -> None:
    unwatched.connect()
    directory = tmp_path / "copy"
    directory.mkdir(0o700)
    command = [sys.executable, "-m", "gateway", "backup", str(directory / "gateway.db")]
    found = os.environ | {"GATEWAY_DATA_DIR": str(unwatched.gateway.directory)}
    subprocess.run(command, env=found, check=True, capture_output=True)
    for name in ("secret.keys", "admin.key"):
        shutil.copy(unwatched.gateway.directory / name, directory)
    live, before = unwatched.gateway, dict(unwatched.simulation.hooks)
    unwatched.gateway = Gateway(directory, live.environment | {"GATEWAY_PUBLIC_URL": "http://copy.example"}).start()
    try:
        assert unwatched.show()["status"] == "needs_repair"
        unwatched.until(lambda: unwatched.show()["problem"])
        assert unwatched.simulation.hooks == before
        unwatched.ask("repair")
        assert [unwatched.simulation.hooks[identity] for identity in before] == list(before.values())
        assert len(unwatched.simulation.hooks) == len(before) + 1
        unwatched.gateway.call("DELETE", f"/v1/connections/{unwatched.connection}")
        assert unwatched.simulation.hooks == before
    finally:
        unwatched.gateway.kill()
        unwatched.gateway = live
    assert unwatched.is_well()


# --- kill -9 -------------------------------------------------------------------------------------------------------

STEPS = {
    "harmonizely": [("GET", False), ("POST", False), ("POST", True), ("DELETE", False), ("DELETE", True)],
    "meetergo": [("POST", True), ("DELETE", False)],
}


@pytest.mark.parametrize(
    ("unwatched", "method", "obeys"),
    [(name, method, obeys) for name, steps in STEPS.items() for method, obeys in steps],
    indirect=["unwatched"],
)
def test_killed_while_it_waits_for_the_vendor_the_next_start_finishes_it(
    unwatched: Vendor, method: str, obeys: bool
) -> None:
    unwatched.connect(own_url=True)
    unwatched.simulation.faults.append(Fault(method=method, obeys=obeys, stalls=True))
    asking = threading.Thread(target=refused, args=(unwatched,))
    asking.start()
    unwatched.until(lambda: not unwatched.simulation.faults)
    unwatched.gateway.kill(signal.SIGKILL)
    asking.join()
    unwatched.gateway.start()
    unwatched.until(unwatched.is_well)
    assert unwatched.books() == ["accepted"]
    assert unwatched.ask("check")["plan"]["kind"] == "nothing"


def refused(asking: Vendor) -> None:
    """Ask for what is never answered."""
    with contextlib.suppress(OSError, urllib.error.URLError):
        asking.ask("rotate")
