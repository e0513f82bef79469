"""Settings: a TOML file and the environment, environment first, read once into one frozen value."""

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from gateway.contract.errors import ConfigurationError

T = TypeVar("T")

PREFIX = "GATEWAY_"
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}")

ADMIN_KEY_LENGTH = 16
"""The fewest characters of a first key that somebody chose."""

_POSTGRES = re.compile(
    r"postgres(ql)?://([^@/?#\s]*@)?(?P<host>[\w.:,%\[\]-]*)(?P<name>/[^@/?#\s]*)?(\?[^#\s]*)?", re.ASCII
)
"""Strict, so that no part of a password is taken for a host and shown in an error."""

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Allowed(Struct, frozen=True):
    """One `CIDR:PORT` of GATEWAY_EGRESS_ALLOW; `port` None is any."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    port: int | None


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be set, with its default: field `x` is `GATEWAY_X` in the environment, `x` in TOML."""

    data_dir: Path = Path("gateway-data")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str | None = None
    public_listen: str | None = None
    secret_keys: str | None = None
    inbound_tokens: str | None = None
    admin_key: str | None = None
    retry_schedule: tuple[float, ...] = (5, 30, 120, 600, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    delivery_timeout: Seconds = 15.0
    egress_allow: tuple[Allowed, ...] = ()
    max_body: Annotated[int, Meta(ge=1, le=1 << 30)] = 1_048_576
    retention_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    watch_interval: Annotated[float, Meta(gt=0, le=86400)] = 300.0
    catch_up_interval: Annotated[int, Meta(ge=0, le=604_800)] = 3600
    silent_after: Annotated[float, Meta(gt=0, le=7776000)] | None = None
    pause_after_days: Annotated[int, Meta(ge=0, le=3650)] = 5
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    url: str | None = None
    key: str | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """List the tokens of the shared inbound URL that were given, newest first."""
        return tuple(self.inbound_tokens.split(",")) if self.inbound_tokens else ()

    def __repr__(self) -> str:
        """Name what is set without the secrets, so that no log or traceback shows one."""
        shown = {
            name: "***" if KNOWN[name].secret and value else value
            for name, value in msgspec.structs.asdict(self).items()
        }
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


# --- reading one value: text in, value out; ValueError says what it must be, never what it was ------------------------


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("that user's home directory is not known: write the whole path") from None


def host_port(text: str) -> tuple[str, int]:
    """Read `HOST:PORT` or `[IPv6]:PORT`; raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError("write HOST:PORT, for an IPv6 address [ADDRESS]:PORT")
    return _host(host), _whole(port, 0, 65535)


def _host(text: str) -> str:
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", host):
        raise ValueError("write a host name or an address, without scheme and port")
    return host


def _listen(text: str) -> str:
    host_port(text)
    return text


def _whole(text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII) or not low <= int(text) <= high:
        raise ValueError(f"write a whole number from {low} to {high}")
    return int(text)


def _seconds(text: str, high: float) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) or not 0 < float(text) <= high:
        raise ValueError(f"write seconds, more than 0 and at most {high:.0f}")
    return float(text)


def _schedule(text: str) -> tuple[float, ...]:
    try:
        return tuple(_seconds(wait, 30 * 86400) for wait in _items(text))
    except ValueError as error:
        raise ValueError(f"{error}, one number for each retry, separated by commas") from None


def _items(text: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise ValueError("an entry between two commas is empty")
    return items


def _allowed(text: str) -> tuple[Allowed, ...]:
    return tuple(_allowed_one(item) for item in _items(text))


def _allowed_one(item: str) -> Allowed:
    cidr, _, port = item.rpartition(":")
    if "/" not in cidr:
        raise ValueError(f"{item!r}: write CIDR:PORT or CIDR:*, such as 127.0.0.1/32:9000 or [::1]/128:9000")
    try:
        network = ipaddress.ip_network(cidr.replace("[", "").replace("]", ""))
    except ValueError as error:
        raise ValueError(f"{item!r}: {error}") from None
    try:
        return Allowed(network, None if port == "*" else _whole(port, 1, 65535))
    except ValueError as error:
        raise ValueError(f"{item!r}: the port: {error}, or *") from None


def _tokens(text: str) -> str:
    tokens = re.split(r"[,\s]+", text.strip(" ,"))
    if not all(TOKEN.fullmatch(token) for token in tokens):
        raise ValueError("each token is 32 to 256 characters of A-Z a-z 0-9 _ -, newest first, separated by commas")
    if len(set(tokens)) < len(tokens):
        raise ValueError("the same token stands there twice")
    return ",".join(tokens)


def _printable(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("a key is printable ASCII without spaces")
    return text


def _admin_key(text: str) -> str:
    if len(_printable(text)) < ADMIN_KEY_LENGTH:
        raise ValueError(
            f"write at least {ADMIN_KEY_LENGTH} characters that nobody can guess, for it may do everything: "
            "`openssl rand -hex 32` makes a good one"
        )
    return text


def _secret(text: str) -> str:
    return text


def _web_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http://HOST[:PORT] or https://HOST[:PORT]")
    if parts.username is not None or "?" in text or "#" in text or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("no user name, query, fragment, space or letter beyond ASCII (write xn--...) may be in it")
    parts.port  # noqa: B018 -- reading it is the check: ValueError when it is no port
    return text.rstrip("/")


def _database(text: str) -> str | None:
    if text in ("sqlite", "sqlite:", "sqlite://"):
        return None
    if _POSTGRES.fullmatch(text):
        return text
    raise ValueError(
        "write postgresql://USER:PASSWORD@HOST/DATABASE, special characters of the password as %XX;"
        " left out, SQLite in GATEWAY_DATA_DIR is used"
    )


def database_name(url: str) -> str:
    """Name a database for people: host and database, never the user, the password or an option."""
    named = _POSTGRES.fullmatch(url)
    return f"PostgreSQL {named['host'] or 'local'}{named['name'] or ''}" if named else "PostgreSQL"


def _word(text: str, words: tuple[str, ...]) -> str:
    if text.lower() not in words:
        raise ValueError(f"write one of {', '.join(words)}")
    return text.lower()


class Setting(Struct, frozen=True):
    """How one setting is read from text; a secret one can also be given as `..._FILE` and is never shown."""

    read: Callable[[str], Any]
    secret: bool = False


KNOWN: dict[str, Setting] = {
    "data_dir": Setting(_path),
    "database_url": Setting(_database, secret=True),  # it may hold a password
    "host": Setting(_host),
    "port": Setting(partial(_whole, low=0, high=65535)),
    "public_url": Setting(_web_url),
    "public_listen": Setting(_listen),
    "secret_keys": Setting(_secret, secret=True),  # gateway.sealing reads them
    "inbound_tokens": Setting(_tokens, secret=True),
    "admin_key": Setting(_admin_key, secret=True),
    "retry_schedule": Setting(_schedule),
    "delivery_timeout": Setting(partial(_seconds, high=3600)),
    "egress_allow": Setting(_allowed),
    "max_body": Setting(partial(_whole, low=1, high=1 << 30)),
    "retention_days": Setting(partial(_whole, low=1, high=3650)),
    "watch_interval": Setting(partial(_seconds, high=86400)),
    "catch_up_interval": Setting(partial(_whole, low=0, high=604_800)),
    "silent_after": Setting(partial(_seconds, high=7776000)),
    "pause_after_days": Setting(partial(_whole, low=0, high=3650)),
    "log_format": Setting(partial(_word, words=("console", "json"))),
    "log_level": Setting(partial(_word, words=("debug", "info", "warning", "error"))),
    "url": Setting(_web_url),
    "key": Setting(_printable, secret=True),
}
"""Every setting by its name in TOML, in the order of the README's table; `url` and `key` are for the CLI."""

NAMES: frozenset[str] = frozenset(KNOWN) | {f"{name}_file" for name, setting in KNOWN.items() if setting.secret}
"""Every name that may stand in a TOML file; `config` is known in the environment only."""


# --- reading all of them ---------------------------------------------------------------------------------------------


class Given(Struct, frozen=True):
    """One setting as somebody wrote it. `label` is how it is named to them."""

    label: str
    text: str


def load(environ: Mapping[str, str]) -> Settings:
    """Read the environment, and the TOML file that GATEWAY_CONFIG names.

    Empty values count as not given. Raises ConfigurationError, naming the setting and how to put it right.
    """
    environment = _environment(environ)
    config = environment.pop("config", None)
    file = _resolved(_toml(config)) if config else {}
    given = file | _resolved(environment)
    return Settings(**{name: _value(KNOWN[name].read, one) for name, one in given.items()})


def _environment(environ: Mapping[str, str]) -> dict[str, Given]:
    ours = {name: text.strip() for name, text in environ.items() if name.startswith(PREFIX)}
    known = {PREFIX + name.upper(): name for name in NAMES | {"config"}}
    for name in ours:
        _known(name, name, known)
    return {known[name]: Given(name, text) for name, text in ours.items() if text}


def _toml(config: Given) -> dict[str, Given]:
    path = _value(_path, config)
    try:
        values = tomllib.loads(_content(config))
    except tomllib.TOMLDecodeError as error:  # it says where and what is expected, never what stands there
        raise ConfigurationError(f"{config.label}: {path} is not TOML: {error}") from None
    for name in values:
        _known(name, f"{name} in {path}", NAMES)
    given = {name: Given(f"{name} in {path}", _text(f"{name} in {path}", value)) for name, value in values.items()}
    return {name: one for name, one in given.items() if one.text}


def _text(label: str, value: object) -> str:
    """Write a TOML value as the environment would, so that both are read by one rule."""
    if isinstance(value, list):
        return ",".join(_text(label, item) for item in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigurationError(
            f"{label}: write text, a number, or a list of them; sections and dates are not settings"
        )
    return str(value).strip()


def _known(name: str, label: str, names: Iterable[str]) -> None:
    if name in names:
        return
    spelled = {known.removeprefix(PREFIX): known for known in names}  # what all begin with makes none of them alike
    close = difflib.get_close_matches(name.removeprefix(PREFIX), spelled, n=1, cutoff=0.75)
    advice = f"did you mean {spelled[close[0]]}?" if close else "take it out; README lists every setting"
    raise ConfigurationError(f"{label}: there is no such setting: {advice}")


def _resolved(given: Mapping[str, Given]) -> dict[str, Given]:
    """Put the content of a `..._file` in the setting's place; the two together are an error."""
    values = dict(given)
    for name in (name for name in given if name not in KNOWN):
        source, setting = values.pop(name), name.removesuffix("_file")
        if setting in given:
            raise ConfigurationError(f"{given[setting].label} and {source.label} are both given: keep one of them")
        values[setting] = _from_file(source)
    return values


def _from_file(source: Given) -> Given:
    text = _content(source).strip()
    if not text:
        raise ConfigurationError(f"{source.label}: {source.text!r} is empty: put the secret in it, alone")
    return Given(source.label, text)


def _content(source: Given) -> str:
    try:
        return _value(_path, source).read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{source.label}: {source.text!r} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigurationError(f"{source.label}: {source.text!r} is not a text file") from None


def _value(read: Callable[[str], T], given: Given) -> T:
    try:
        return read(given.text)
    except ValueError as error:
        raise ConfigurationError(f"{given.label}: {error}") from None
