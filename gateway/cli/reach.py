"""Where the gateway is, what may be asked of it, and what it answers."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import rich_click as click

from gateway import config
from gateway.cli import show
from gateway.cli.source import SOURCES, Sources
from gateway.cli.table import Column
from gateway.contract.errors import ConfigurationError, GatewayError

Command = TypeVar("Command", bound=Callable[..., Any])

URL_FILE = "gateway.url"
ADMIN_KEY_FILE = "admin.key"
CONFIG = "GATEWAY_CONFIG"
PATIENTLY = (60.0, None, 60.0, 60.0)
"""Seconds to connect, to read (as long as it takes), to write, and to wait for a connection."""


class Failed(GatewayError):
    """Say in one line what was refused or went wrong, and what to do next."""


class Unreachable(Failed):
    """Say that nobody answered, or that the gateway is starting or stopping: it may be there in a moment."""


class LacksScope(Failed):
    """Say that the key may not do this; `scope` is what it would need."""

    def __init__(self, message: str, scope: str) -> None:
        super().__init__(message)
        self.scope = scope


class NotAdmitted(Failed):
    """Say that the gateway does not know the key."""


class Gateway:
    """A running gateway's API. Every refusal is raised as Failed, in its own words."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self.url = url

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, holds: str | None = None) -> Any:
        """Ask for something; query values of None are left out. `holds`: a name that the answer must have."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._holding(holds, *self._call("GET", path, query=given))

    def look(self, path: str) -> tuple[int, dict[str, Any]]:
        """Ask for something whose status is the answer."""
        answer = self._send("GET", path)
        value = _decoded(answer.content)
        if not isinstance(value, dict):
            raise self._no_gateway(answer.status_code)
        return answer.status_code, value

    def probe(self, url: str) -> int:
        """Ask an address as a stranger would, and tell the status. What is raised does not repeat the address."""
        from gateway.egress import ClientError, stranger  # noqa: PLC0415 -- loads the HTTP client: not for --help

        try:
            with stranger() as client:
                return int(client.head(url).status_code)
        except ClientError as error:
            raise Unreachable(str(error)) from None

    def raw(self, path: str, query: Mapping[str, Any]) -> bytes:
        """Ask for bytes that are nothing to us."""
        answer = self._send("GET", path, query={name: value for name, value in query.items() if value is not None})
        if not answer.is_success:
            raise self._refusal(answer, _decoded(answer.content), path, {})
        content: bytes = answer.content
        return content

    def page(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Ask for one page of a list."""
        page = self.get(path, query, holds="items")
        if not isinstance(page["items"], list) or not all(isinstance(item, dict) for item in page["items"]):
            raise self._no_gateway(HTTPStatus.OK)
        return page

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, holds: str | None = None, patient: bool = False
    ) -> Any:
        """Make something, or have something done. `holds`: a name that the answer must have.

        `patient`: wait for the answer as long as it takes, because all of the work is done before it.
        """
        return self._holding(holds, *self._call("POST", path, body=body, patient=patient))

    def patch(self, path: str, body: Mapping[str, Any], *, holds: str | None = None) -> Any:
        """Change something. `holds`: a name that the answer must have."""
        return self._holding(holds, *self._call("PATCH", path, body=body))

    def delete(self, path: str) -> bool:
        """Remove something; False when the gateway goes on with it by itself."""
        return self._call("DELETE", path)[0] != HTTPStatus.ACCEPTED

    def _call(self, method: str, path: str, *, body: Mapping[str, Any] | None = None, **how: Any) -> tuple[int, Any]:
        answer = self._send(method, path, body=body, **how)
        value = _decoded(answer.content)
        if answer.is_success and isinstance(value, dict):
            return answer.status_code, value
        raise self._refusal(answer, value, path, body or {})

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        patient: bool = False,
    ) -> Any:
        from gateway.egress import ClientError  # noqa: PLC0415 -- loads the HTTP client: not for --help

        waiting = {"timeout": PATIENTLY} if patient else {}
        try:
            return self._client.request(method, path, params=query, json=body, **waiting)
        except ClientError as error:
            raise Unreachable(f"no gateway answers at {self.url} ({error}): start one with `gateway serve`") from None

    def _refusal(self, answer: Any, value: Any, path: str, sent: Mapping[str, Any]) -> Failed:
        status: int = answer.status_code
        if status < HTTPStatus.BAD_REQUEST or not isinstance(value, dict) or "title" not in value:
            return self._no_gateway(status)
        words = _without_secrets(str(value.get("detail") or value["title"]), sent)
        line = words.rstrip(".") + _advice(status, path)
        if status == HTTPStatus.FORBIDDEN:
            scope = _SCOPE.search(answer.headers.get("www-authenticate", ""))
            return LacksScope(line, scope[1] if scope else "")
        return _KINDS.get(status, Failed)(line)

    def _holding(self, name: str | None, status: int, value: Any) -> Any:
        if name is not None and name not in value:
            raise self._no_gateway(status)
        return value

    def _no_gateway(self, status: int) -> Failed:
        return Failed(f"{self.url} answers {status}, but not as a gateway does: check --url or GATEWAY_URL")


_SCOPE = re.compile(r'scope="([a-z:]+)"')
_KINDS: Mapping[int, type[Failed]] = {
    HTTPStatus.UNAUTHORIZED: NotAdmitted,
    HTTPStatus.SERVICE_UNAVAILABLE: Unreachable,
}
"""Refusals that some command treats in its own way, by status."""


def _decoded(content: bytes) -> Any:
    """Read an answer; one that says nothing is an empty object, an unreadable one None."""
    try:
        return {} if content in (b"", b"null") else msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _without_secrets(words: str, sent: Mapping[str, Any]) -> str:
    """Take out what we sent in confidence, should a provider repeat it in its refusal."""
    secrets = [*dict(sent.get("credentials") or {}).values(), sent.get("signing_secret")]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            words = words.replace(secret, "***")
    return words


def _advice(status: int, path: str) -> str:
    group = path.split("/")[2]
    match status:
        case 401:
            return ": give a key with --key or GATEWAY_KEY"
        case 403:
            return ": use a key with that scope (`gateway keys create --scope SCOPE` makes one)"
        case 404:
            return f": `gateway {group} list` shows what there is"
        case 503:
            return ": try again in a moment"
    return ""


@dataclass
class Wishes:
    """What the options that every command has said: where the gateway is, and how to print."""

    as_json: bool = False
    gateway_url: str | None = None
    gateway_key: str | None = None
    config_file: str | None = None

    def settings(self) -> config.Settings:
        """Load the settings, with `--config` in the place of GATEWAY_CONFIG. Raises ConfigurationError."""
        if not self.config_file:
            return config.load(os.environ)
        try:
            return config.load(os.environ | {CONFIG: self.config_file})
        except ConfigurationError as error:  # it names where the file's name is read; here that was the option
            raise ConfigurationError(re.sub(f"^{CONFIG}:", "--config:", str(error))) from None

    @contextmanager
    def gateway(self) -> Iterator[Gateway]:
        """Open the gateway that is meant: the one named, else the one of the data directory. Raises Failed."""
        from gateway.egress import gateway_client  # noqa: PLC0415 -- loads the HTTP client: not for --help

        settings = self.settings()
        url = self.gateway_url or settings.url or _running(settings.data_dir)
        with gateway_client(url, self._key(settings, url)) as client:
            yield Gateway(client, url)

    def _key(self, settings: config.Settings, url: str) -> str:
        if self.gateway_key:
            return _key_argument(self.gateway_key)
        key = settings.key or settings.admin_key or _line(settings.data_dir / ADMIN_KEY_FILE)
        # The admin key is for this machine's own gateway: it is not sent to another host unless somebody says so.
        if not key or (not settings.key and urlsplit(url).hostname not in _own_hosts(settings)):
            raise Failed(
                "no key: give one with --key or GATEWAY_KEY (the first one lies in admin.key, in the data directory)"
            )
        return key

    def answer(self, value: Any, view: Callable[[Any], None]) -> None:
        """Print an answer: as it is with --json, else by `view`."""
        if self.as_json:
            show.print_json(value)
        else:
            view(value)

    def listing(
        self,
        path: str,
        columns: Sequence[Column],
        empty: str,
        query: Mapping[str, Any],
        prepare: Callable[[dict[str, Any]], dict[str, Any]] = dict,
        *,
        of_full: str | None = None,
    ) -> None:
        """Print one page of a list. For people: `empty` when there is nothing, each item `prepare`d for its row.

        `of_full`: what to say of a full page, in the place of the cursor to go on with.
        """
        hint = None
        with self.gateway() as gateway:
            page = gateway.page(path, query)
            if not self.as_json:
                hint = of_full if of_full and _full(query, page) else _more(gateway, path, query, page)
        self.answer(page, lambda page: _print_page(page, columns, empty, prepare))
        if hint:
            print(hint, file=sys.stderr)  # noqa: T201 -- beside the output

    def one(self, path: str, view: Callable[[Any], None] = show.print_details) -> None:
        """Print one thing."""
        with self.gateway() as gateway:
            self.answer(gateway.get(path), view)

    def remove(self, path: str, done: str, going_on: str = "") -> None:
        """Remove one thing and say so: in the words of `going_on` when the gateway still works on it."""
        with self.gateway() as gateway:
            finished = gateway.delete(path)
        self.answer({}, lambda _: show.say(done if finished else going_on))


def _print_page(
    page: Any, columns: Sequence[Column], empty: str, prepare: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    if page["items"]:
        show.print_table(columns, [prepare(item) for item in page["items"]])
    else:
        show.say(empty)


def _more(gateway: Gateway, path: str, query: Mapping[str, Any], page: Any) -> str | None:
    """Say which cursor leads to more; None at the end, where the log has a cursor all the same."""
    cursor = page.get("next")
    if cursor is None or not _full(query, page):
        return None
    more = gateway.page(path, {**query, "after": cursor, "limit": 1})["items"]
    return f"more: --after {show.clean(cursor)}" if more else None


def _full(query: Mapping[str, Any], page: Any) -> bool:
    return len(page["items"]) >= int(query.get("limit") or 50)


def _running(data_dir: Path) -> str:
    url = _line(data_dir / URL_FILE)
    if not url:
        raise Failed(
            f"no gateway runs on {data_dir}: start one with `gateway serve`, or name another with --url or GATEWAY_URL"
        )
    # A gateway on all addresses is reached on this machine's own.
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _own_hosts(settings: config.Settings) -> set[str | None]:
    return {"127.0.0.1", "::1", "localhost", settings.host}


def _line(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Failed(
            f"{path} cannot be read: {error.strerror}: run as its owner, or set GATEWAY_URL and GATEWAY_KEY"
        ) from None


def _key_argument(key: str) -> str:
    """Read `--key`. A key itself works, because scripts do it, but others on this machine can see it."""
    if key == "-" or key.startswith(("@", "env:")):
        return Sources().read("--key", key)
    print(  # noqa: T201 -- beside the output
        "gateway: others on this machine can see a key that is an argument: use --key @FILE or GATEWAY_KEY",
        file=sys.stderr,
    )
    return key


# --- what every command takes --------------------------------------------------------------------------------------


def _keep(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value and param.name:
        setattr(ctx.ensure_object(Wishes), param.name, value)


def _keep_url(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    try:
        _keep(ctx, param, value and config.KNOWN["url"].read(value))
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


json_option = click.option(
    "--json", "as_json", is_flag=True, expose_value=False, callback=_keep, help="Print the API's answer."
)
config_option = click.option(
    "--config", "config_file", metavar="FILE", expose_value=False, callback=_keep, help="TOML file with settings."
)
_url_option = click.option(
    "--url", "gateway_url", metavar="URL", expose_value=False, callback=_keep_url, help="The gateway's address."
)
_key_option = click.option(
    "--key", "gateway_key", metavar="SOURCE", expose_value=False, callback=_keep, help=f"API key, from {SOURCES}."
)


def common(command: Command) -> Command:
    """Give a command or group the options that stand before or after any subcommand."""
    for option in (config_option, _key_option, _url_option, json_option):
        command = option(command)
    return command


def paging(command: Command) -> Command:
    """Give a command that lists something the options that lead to the next page."""
    for option in (
        click.option("--limit", type=click.IntRange(1, 500), metavar="N", help="How many: 50, at most 500."),
        click.option("--after", metavar="CURSOR", help="Go on after this cursor."),
    ):
        command = option(command)
    return command


def segment(name: str) -> str:
    """Write an id as one segment of a path. Raises click.UsageError for an empty one."""
    if not name.strip("."):
        raise click.UsageError("write the ID as the list shows it")
    return quote(name, safe="")


class ListGroup(click.RichGroup):
    """A group whose plain name means one of its commands: `list`, unless a subclass says otherwise."""

    default: ClassVar[str] = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the default for granted when no subcommand is named."""
        named = ctx.resilient_parsing or any(arg in self.commands for arg in args)  # a shell completes what is there
        if not named and (not args or args[0].startswith("-")) and not {"--help", "-h"} & set(args):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
