"""A browser without a screen and without a script: it keeps cookies, reads pages, fills in forms and sends them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx


@dataclass
class Form:
    """A form as it stands on a page: where it goes, and what it says until somebody changes it."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """A page that was read: its text, links and forms."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.status, self.html, self.headers = answer.status_code, answer.text, answer.headers
        self.path = answer.url.raw_path.decode()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._words: list[str] = []
        self._select = ""
        self._textarea: str | None = None
        self.feed(answer.text)

    @property
    def text(self) -> str:
        """Give what can be read, in one line."""
        return " ".join(" ".join(self._words).split())

    def form(self, action: str) -> Form:
        """Find the form that goes to an address."""
        return next(form for form in self.forms if form.action == action)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.tags.append((tag, said))
        name, value = said.get("name") or "", said.get("value") or ""
        if tag == "form":
            self.forms.append(Form(said.get("action") or "", said.get("method") or "get"))
        elif tag == "a":
            self.links.append(said.get("href") or "")
        elif tag == "input" and name and ("checked" in said or said.get("type") not in ("checkbox", "radio")):
            default = "on" if said.get("type") == "checkbox" and not value else value
            self.forms[-1].fields.append((name, default))
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in said:
            self.forms[-1].fields.append((self._select, value))
        elif tag == "textarea":
            self._textarea = name

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            self.forms[-1].fields.append((self._textarea, data))
            self._textarea = None
        self._words.append(data)


class Visitor:
    """Somebody who visits the dashboard at `url`."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.aclose()

    async def enter(self, key: str, **fields: str) -> Page:
        """Sign in with a key."""
        return await self.submit("/sign-in", "/sign-in", {"key": key, **fields})

    async def get(self, path: str, status: int = 200) -> Page:
        """Read a page that must answer so."""
        answer = await self.http.get(path, follow_redirects=True)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return Page(answer)

    async def submit(
        self, path: str, action: str, said: Mapping[str, Any] | None = None, *, status: int = 200, **more: Any
    ) -> Page:
        """Fill in a form of a page and send it; a list ticks several boxes. Gives the page that one lands on."""
        changed = {**(said or {}), **more}
        form = (await self.get(path)).form(action)
        fields = [(name, value) for name, value in form.fields if name not in changed]
        for name, value in changed.items():
            fields += [(name, each) for each in (value if isinstance(value, list) else [value])]
        return await self.send(action, fields, status)

    async def send(self, action: str, fields: list[tuple[str, str]], status: int = 200) -> Page:
        """Send a form, whatever it says."""
        body = urlencode(fields)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self.http.post(action, content=body, headers=headers, follow_redirects=True)
        assert answer.status_code == status, (action, answer.status_code, answer.text)
        return Page(answer)
