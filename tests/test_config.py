"""Settings come from a TOML file and the environment; what is wrong is named, and no secret is repeated."""

import ipaddress
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import KNOWN, NAMES, Allowed, Settings, host_port, load
from gateway.contract.errors import ConfigurationError

TOKEN = "t" * 43
OTHER = "o" * 32


def toml(tmp_path: Path, text: str) -> dict[str, str]:
    path = tmp_path / "gateway.toml"
    path.write_text(text, "utf-8")
    return {"GATEWAY_CONFIG": str(path)}


def test_nothing_given_is_every_default() -> None:
    assert load({}) == Settings()
    assert load({"PATH": "/bin", "gateway_port": "1"}) == Settings()


def test_every_field_of_settings_is_a_known_setting() -> None:
    assert tuple(KNOWN) == tuple(field.name for field in msgspec.structs.fields(Settings))


READ = [
    ("DATA_DIR", "data", "data_dir", Path("data")),
    ("HOST", "::1", "host", "::1"),
    ("HOST", "[::1]", "host", "::1"),
    ("PORT", "0", "port", 0),
    ("PUBLIC_URL", "https://hooks.example.com/gateway/", "public_url", "https://hooks.example.com/gateway"),
    ("PUBLIC_LISTEN", "0.0.0.0:9000", "public_listen", "0.0.0.0:9000"),
    ("SECRET_KEYS", "a,b", "secret_keys", "a,b"),
    ("INBOUND_TOKENS", f"{TOKEN}, {OTHER}", "tokens", (TOKEN, OTHER)),
    ("ADMIN_KEY", "k" * 16, "admin_key", "k" * 16),
    ("RETRY_SCHEDULE", "1, 2.5,3", "retry_schedule", (1.0, 2.5, 3.0)),
    ("DELIVERY_TIMEOUT", "0.5", "delivery_timeout", 0.5),
    ("EGRESS_ALLOW", "127.0.0.1/32:9000", "egress_allow", (Allowed(ipaddress.ip_network("127.0.0.1/32"), 9000),)),
    ("EGRESS_ALLOW", "10.0.0.0/8:*", "egress_allow", (Allowed(ipaddress.ip_network("10.0.0.0/8"), None),)),
    ("EGRESS_ALLOW", "[::1]/128:9000", "egress_allow", (Allowed(ipaddress.ip_network("::1/128"), 9000),)),
    ("EGRESS_ALLOW", "::1/128:9000", "egress_allow", (Allowed(ipaddress.ip_network("::1/128"), 9000),)),
    ("MAX_BODY", "1024", "max_body", 1024),
    ("RETENTION_DAYS", "7", "retention_days", 7),
    ("PAUSE_AFTER_DAYS", "0", "pause_after_days", 0),
    ("LOG_FORMAT", "JSON", "log_format", "json"),
    ("LOG_LEVEL", "debug", "log_level", "debug"),
    ("DATABASE_URL", "sqlite", "database_url", None),
    ("DATABASE_URL", "postgresql://u:p@db/x", "database_url", "postgresql://u:p@db/x"),
    ("URL", "http://127.0.0.1:8080/", "url", "http://127.0.0.1:8080"),
    ("KEY", "gwk_y", "key", "gwk_y"),
]


@pytest.mark.parametrize(("name", "text", "field", "value"), READ)
def test_a_setting_is_read_from_the_environment(name: str, text: str, field: str, value: object) -> None:
    assert getattr(load({f"GATEWAY_{name}": text}), field) == value


@pytest.mark.parametrize(("name", "text", "field", "value"), READ)
def test_the_toml_file_says_the_same_in_lower_case(
    tmp_path: Path, name: str, text: str, field: str, value: object
) -> None:
    assert getattr(load(toml(tmp_path, f'{name.lower()} = "{text}"')), field) == value


def test_toml_may_use_its_own_numbers_and_lists(tmp_path: Path) -> None:
    settings = load(
        toml(tmp_path, f'port = 9\nretry_schedule = [1, 2.5]\ninbound_tokens = ["{TOKEN}"]\negress_allow = []\n')
    )
    assert (settings.port, settings.retry_schedule, settings.tokens) == (9, (1.0, 2.5), (TOKEN,))
    assert settings.egress_allow == ()


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    environ = toml(tmp_path, 'port = 9\nhost = "localhost"\nadmin_key = "from-toml-and-long"')
    key = tmp_path / "key"
    key.write_text("from-a-file-and-long\n")
    settings = load({**environ, "GATEWAY_PORT": "10", "GATEWAY_ADMIN_KEY_FILE": str(key)})
    assert (settings.port, settings.host, settings.admin_key) == (10, "localhost", "from-a-file-and-long")


def test_an_empty_value_counts_as_not_given(tmp_path: Path) -> None:
    assert (
        load({"GATEWAY_PORT": "", "GATEWAY_ADMIN_KEY": " ", "GATEWAY_CONFIG": "", "GATEWAY_KEY_FILE": ""}) == Settings()
    )
    assert load({**toml(tmp_path, "port = 9"), "GATEWAY_PORT": ""}).port == 9


@pytest.mark.parametrize("name", sorted(name for name, setting in KNOWN.items() if setting.secret))
def test_every_secret_setting_can_lie_in_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / "secret"
    path.write_text(
        {"inbound_tokens": f"{TOKEN}\n{OTHER}\n", "database_url": "sqlite\n"}.get(name, "a-s3cret-of-some-length\n")
    )
    expected = {"inbound_tokens": f"{TOKEN},{OTHER}", "database_url": None}.get(name, "a-s3cret-of-some-length")
    assert getattr(load({f"GATEWAY_{name.upper()}_FILE": str(path)}), name) == expected
    assert getattr(load(toml(tmp_path, f'{name}_file = "{path}"')), name) == expected


def test_only_secrets_have_a_file_form() -> None:
    assert {name for name in NAMES if name.endswith("_file")} == {
        "secret_keys_file", "inbound_tokens_file", "admin_key_file", "database_url_file", "key_file",
    }  # fmt: skip
    with pytest.raises(ConfigurationError, match="GATEWAY_PORT_FILE: there is no such setting"):
        load({"GATEWAY_PORT_FILE": "/x"})


def test_a_secret_given_twice_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_ADMIN_KEY and GATEWAY_ADMIN_KEY_FILE are both given"):
        load({"GATEWAY_ADMIN_KEY": "x", "GATEWAY_ADMIN_KEY_FILE": "/x"})


WRONG = [
    ({"GATEWAY_PROT": "1"}, "GATEWAY_PROT: there is no such setting: did you mean GATEWAY_PORT"),
    ({"GATEWAY_SECRET_KEY": "1"}, "GATEWAY_SECRET_KEY: .* did you mean GATEWAY_SECRET_KEYS"),
    ({"GATEWAY_ZZZ": "1"}, "GATEWAY_ZZZ: there is no such setting: take it out"),
    ({"GATEWAY_NOSUCH": "1"}, "GATEWAY_NOSUCH: there is no such setting: take it out"),
    ({"GATEWAY_ZZZ": ""}, "GATEWAY_ZZZ: there is no such setting"),
    ({"GATEWAY_PORT": "65536"}, "GATEWAY_PORT: write a whole number from 0 to 65535"),
    ({"GATEWAY_PORT": "٣"}, "GATEWAY_PORT: write a whole number"),
    ({"GATEWAY_PORT": "8080.0"}, "GATEWAY_PORT"),
    ({"GATEWAY_HOST": "http://x"}, "GATEWAY_HOST: write a host name"),
    ({"GATEWAY_PUBLIC_URL": "ftp://x"}, "GATEWAY_PUBLIC_URL: write http"),
    ({"GATEWAY_PUBLIC_URL": "https://"}, "GATEWAY_PUBLIC_URL"),
    ({"GATEWAY_PUBLIC_URL": "https://x/?a=1"}, "GATEWAY_PUBLIC_URL: no user name, query"),
    ({"GATEWAY_PUBLIC_URL": "https://büro.example"}, "GATEWAY_PUBLIC_URL: .*letter beyond ASCII"),
    ({"GATEWAY_PUBLIC_URL": "https://x/#a"}, "GATEWAY_PUBLIC_URL"),
    ({"GATEWAY_PUBLIC_URL": "https://u:p@x/"}, "GATEWAY_PUBLIC_URL"),
    ({"GATEWAY_PUBLIC_URL": "https://x:99999"}, "GATEWAY_PUBLIC_URL"),
    ({"GATEWAY_PUBLIC_URL": "https://[::1"}, "GATEWAY_PUBLIC_URL"),
    ({"GATEWAY_PUBLIC_LISTEN": "9000"}, "GATEWAY_PUBLIC_LISTEN: write HOST:PORT"),
    ({"GATEWAY_PUBLIC_LISTEN": "::1:9000"}, r"GATEWAY_PUBLIC_LISTEN: .*\[ADDRESS\]:PORT"),
    ({"GATEWAY_PUBLIC_LISTEN": "x:port"}, "GATEWAY_PUBLIC_LISTEN: write a whole number"),
    ({"GATEWAY_INBOUND_TOKENS": "short"}, "GATEWAY_INBOUND_TOKENS: each token is 32"),
    ({"GATEWAY_INBOUND_TOKENS": TOKEN + "/"}, "GATEWAY_INBOUND_TOKENS: each token is 32"),
    ({"GATEWAY_INBOUND_TOKENS": f"{TOKEN},{TOKEN}"}, "GATEWAY_INBOUND_TOKENS: .*twice"),
    ({"GATEWAY_RETRY_SCHEDULE": "1,0"}, "GATEWAY_RETRY_SCHEDULE: write seconds, more than 0"),
    ({"GATEWAY_RETRY_SCHEDULE": "1,,2"}, "GATEWAY_RETRY_SCHEDULE: an entry between two commas is empty"),
    ({"GATEWAY_RETRY_SCHEDULE": "1,-2"}, "GATEWAY_RETRY_SCHEDULE"),
    ({"GATEWAY_RETRY_SCHEDULE": "nan"}, "GATEWAY_RETRY_SCHEDULE"),
    ({"GATEWAY_DELIVERY_TIMEOUT": "0"}, "GATEWAY_DELIVERY_TIMEOUT"),
    ({"GATEWAY_DELIVERY_TIMEOUT": "inf"}, "GATEWAY_DELIVERY_TIMEOUT"),
    ({"GATEWAY_EGRESS_ALLOW": "127.0.0.1:80"}, "GATEWAY_EGRESS_ALLOW: '127.0.0.1:80': write CIDR:PORT"),
    ({"GATEWAY_EGRESS_ALLOW": "127.0.0.1/8:80"}, "GATEWAY_EGRESS_ALLOW: '127.0.0.1/8:80': .*host bits"),
    ({"GATEWAY_EGRESS_ALLOW": "127.0.0.1/32"}, "GATEWAY_EGRESS_ALLOW"),
    ({"GATEWAY_EGRESS_ALLOW": "127.0.0.1/32:0"}, r"GATEWAY_EGRESS_ALLOW: .*the port: .*or \*"),
    ({"GATEWAY_MAX_BODY": "0"}, "GATEWAY_MAX_BODY"),
    ({"GATEWAY_RETENTION_DAYS": "0"}, "GATEWAY_RETENTION_DAYS"),
    ({"GATEWAY_PAUSE_AFTER_DAYS": "-1"}, "GATEWAY_PAUSE_AFTER_DAYS"),
    ({"GATEWAY_LOG_FORMAT": "xml"}, "GATEWAY_LOG_FORMAT: write one of console, json"),
    ({"GATEWAY_LOG_LEVEL": "loud"}, "GATEWAY_LOG_LEVEL: write one of debug, info, warning, error"),
    ({"GATEWAY_DATABASE_URL": "mysql://u:hunter2@db/x"}, "GATEWAY_DATABASE_URL: write postgresql://"),
    ({"GATEWAY_DATABASE_URL": "sqlite:///elsewhere"}, "GATEWAY_DATABASE_URL: .*GATEWAY_DATA_DIR"),
    ({"GATEWAY_DATA_DIR": "~nobody-of-that-name/x"}, "GATEWAY_DATA_DIR: .*home directory"),
    ({"GATEWAY_CONFIG": "/nowhere/x.toml"}, "GATEWAY_CONFIG: '/nowhere/x.toml' cannot be read: No such file"),
    ({"GATEWAY_KEY_FILE": "/nowhere/key"}, "GATEWAY_KEY_FILE: '/nowhere/key' cannot be read"),
    ({"GATEWAY_ADMIN_KEY": "hunter2"}, "GATEWAY_ADMIN_KEY: write at least 16 characters .* `openssl rand -hex 32`"),
    ({"GATEWAY_ADMIN_KEY": "two words that are long"}, "GATEWAY_ADMIN_KEY: a key is printable"),
    ({"GATEWAY_KEY": "two words"}, "GATEWAY_KEY: a key is printable"),
]  # fmt: skip


@pytest.mark.parametrize(("environ", "message"), WRONG, ids=[f"{w[0]}".strip("{}") for w in WRONG])
def test_what_is_wrong_is_named_with_what_to_do(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(environ)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "prot in .*gateway.toml: there is no such setting: did you mean port"),
        ("config = 'x'", "config in .*: there is no such setting"),
        ("[server]\nport = 1", "server in .*: there is no such setting"),
        ("port = true", "port in .*: write text, a number"),
        ("port = 70000", "port in .*gateway.toml: write a whole number from 0 to 65535"),
        ("host = 2026-01-01", "host in .*: write text"),
        ("egress_allow = [['x']]", "egress_allow in"),
        ("port = ", "is not TOML"),
        ("admin_key = 'a'\nadmin_key_file = '/x'", "admin_key in .* and admin_key_file in .* are both given"),
        ("admin_key_file = 'a\\u0000b'", "admin_key_file in .*cannot|admin_key_file in .*not a text file"),
        ('admin_key_file = "a\\u0000b"', "admin_key_file in .*not a text file"),
    ],
)
def test_what_is_wrong_in_the_file_is_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(toml(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe")
    for name in ("GATEWAY_CONFIG", "GATEWAY_ADMIN_KEY_FILE"):
        with pytest.raises(ConfigurationError, match=f"{name}: .*is not a text file"):
            load({name: str(path)})
    path.write_bytes(b"\n")
    with pytest.raises(ConfigurationError, match=r"GATEWAY_ADMIN_KEY_FILE: .*is empty"):
        load({"GATEWAY_ADMIN_KEY_FILE": str(path)})


SECRETS = st.from_regex(r"hunter2[!-~ ]{1,40}", fullmatch=True)


@given(name=st.sampled_from(sorted(n for n, s in KNOWN.items() if s.secret)), secret=SECRETS)
def test_no_secret_is_ever_repeated(name: str, secret: str) -> None:
    try:
        said = repr(load({f"GATEWAY_{name.upper()}": secret}))
    except ConfigurationError as error:
        said = str(error)
    assert "hunter2" not in said


@given(
    st.dictionaries(
        st.sampled_from(sorted(NAMES)).map(lambda n: f"GATEWAY_{n.upper()}"),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
        | st.from_regex(r"[0-9a-f.:/\[\]*,-]{0,40}", fullmatch=True),
        max_size=4,
    )
)
def test_any_environment_is_settings_or_an_error_that_names_a_setting(environ: dict[str, str]) -> None:
    try:
        said = f"GATEWAY_PORT: {load(environ).port}"
    except ConfigurationError as error:
        said = str(error)
    assert re.fullmatch("GATEWAY_[A-Z_]+:? [^\n]+", said)


@given(st.lists(st.floats(0.001, 86400 * 30).map(lambda x: f"{x:.3f}"), min_size=1, max_size=12))
def test_a_schedule_is_read_back_as_written(waits: list[str]) -> None:
    assert load({"GATEWAY_RETRY_SCHEDULE": ",".join(waits)}).retry_schedule == tuple(map(float, waits))


@given(
    st.lists(
        st.tuples(st.ip_addresses(), st.integers(0, 32), st.none() | st.integers(1, 65535), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_every_network_and_port_can_be_allowed(
    entries: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int, int | None, bool]],
) -> None:
    networks = [ipaddress.ip_network(f"{address}/{prefix}", strict=False) for address, prefix, _, _ in entries]
    text = ",".join(
        f"[{network.network_address}]/{network.prefixlen}:{port or '*'}" if brackets else f"{network}:{port or '*'}"
        for network, (_, _, port, brackets) in zip(networks, entries, strict=True)
    )
    allowed = tuple(Allowed(network, entry[2]) for network, entry in zip(networks, entries, strict=True))
    assert load({"GATEWAY_EGRESS_ALLOW": text}).egress_allow == allowed


def test_a_listening_address_is_host_and_port() -> None:
    assert host_port("localhost:9000") == ("localhost", 9000)
    assert host_port("[::1]:0") == ("::1", 0)
