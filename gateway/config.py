"""Settings: a TOML file and the environment, environment first, read once into one frozen value."""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.contract.errors import ConfigurationError

PREFIX = "GATEWAY_"
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,256}")

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Allowed(Struct, frozen=True):
    """One `CIDR:PORT` of GATEWAY_EGRESS_ALLOW; `port` None is any."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    port: int | None


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be set, with its default. Field `x` is `GATEWAY_X` in the environment and `x` in the TOML file."""

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
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
