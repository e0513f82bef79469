"""What the dashboard is looked at in: a gateway in a process of its own, a vendor, a consumer, a real browser."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from providers.meetergo.simulator import Simulation
from tests.conftest import serving
from tests.e2e.running import Gateway

QUIET = (
    "--no-sandbox",  # root has none
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """Start a browser of the machine's; nothing is downloaded."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(QUIET))
        try:
            yield started
        finally:
            started.close()


class Consumer:
    """A destination's server, which answers `status` and keeps the ids and bodies that it got."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(consumer: Consumer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            consumer.got.append((self.headers["webhook-id"], body))
            self.send_response(consumer.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@dataclass
class World:
    """Everything that runs. `faults`: what a browser complained of, on any page."""

    gateway: Gateway
    vendor: Simulation
    vendor_url: str
    consumer: Consumer
    browser: Browser
    faults: list[str] = field(default_factory=list)

    def visitor(self, **how: Any) -> Page:
        """Open a browser of one's own, in which every complaint is noted."""
        return self._watched(self.browser.new_context(base_url=self.gateway.url, **how))

    def signed_in(self, **how: Any) -> Page:
        """Open one, and sign in."""
        page = self.visitor(**how)
        self.sign_in(page)
        return page

    def sign_in(self, page: Page) -> None:
        page.goto("/sign-in")
        page.get_by_label("Admin key").fill(self.gateway.key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Overview").wait_for(state="attached")

    def _watched(self, context: BrowserContext) -> Page:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.on("console", lambda said: self._note(page, said.text if said.type == "error" else ""))
        page.on("pageerror", lambda error: self._note(page, str(error)))
        page.on("dialog", lambda dialog: self._note(page, f"a dialog: {dialog.message}"))
        return page

    def _note(self, page: Page, complaint: str) -> None:
        if complaint:
            self.faults.append(f"{page.url}: {complaint}")

    def happens(self, scene: int = 0, change: Callable[[Any], Any] = lambda body: body) -> list[dict[str, Any]]:
        """Have the vendor tell of a scene of its story, its body changed first; gives the gateway's answers."""
        told = self.vendor.story()[scene]
        body = json.dumps(change(json.loads(told.body))).encode()
        with httpx.Client(trust_env=False, timeout=30) as http:
            answers = [
                http.post(call.url, headers=dict(call.headers), content=call.body)
                for call in self.vendor.calls(told.word, body)
            ]
        return [answer.raise_for_status().json() for answer in answers]

    def connected(self) -> str:
        """Connect the vendor, unless it is; gives the connection's id."""
        for row in self.gateway.call("GET", "/v1/connections")["items"]:
            return str(row["id"])
        credentials, settings = dict(self.vendor.credentials), self.vendor.settings(self.vendor_url)
        body = {"provider": "meetergo", "name": "Berlin", "credentials": credentials, "settings": settings}
        return str(self.gateway.call("POST", "/v1/connections", body)["id"])

    def subscribed(self) -> str:
        """Subscribe the consumer, unless it is; gives the destination's id."""
        for row in self.gateway.call("GET", "/v1/destinations")["items"]:
            return str(row["id"])
        body = {"url": self.consumer.url, "name": "The CRM"}
        return str(self.gateway.call("POST", "/v1/destinations", body)["id"])


@contextmanager
def world(directory: Path, started: Browser) -> Iterator[World]:
    """Start all of it; a delivery is given up after two quick tries."""
    environment = {"GATEWAY_EGRESS_ALLOW": "127.0.0.1/32:*", "GATEWAY_RETRY_SCHEDULE": "1"}
    vendor, consumer = Simulation(), Consumer()
    gateway = Gateway(directory, environment).start()
    try:
        with serving(vendor.app) as vendor_url:
            yield World(gateway, vendor, vendor_url, consumer, started)
    finally:
        gateway.kill()
        consumer.close()
