"""What single values must be: types that the schema is put together from. Each refusal says what is expected."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

Transport = Literal["stdio", "streamable-http", "sse"]

RESERVED = ("api", "healthz", "metrics", "readyz", "ui", "v1")
"""First parts of our own paths, which no provider's name may take."""

_TRANSPORTS = {"http": "streamable-http", "streamableHttp": "streamable-http", "streamable_http": "streamable-http"}
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_API_KEY = re.compile(r"[\x21-\x7e]+")


def _matching(pattern: str, expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(expected)
        return value

    return AfterValidator(check)


def _no_bool(value: Any) -> Any:
    """YAML's `yes` is no number, though Python takes it for 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _empty_is_none(value: Any) -> Any:
    """`${NAME:-}` of an unset variable says that there is none."""
    return None if value == "" else value


def _one_is_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _drop_empty(value: Any) -> Any:
    """Keys without the blanks around them, and without the empty ones."""
    if not isinstance(value, list | tuple):
        return value
    stripped = [key.strip() if isinstance(key, str) else key for key in value]
    return [key for key in stripped if key not in ("", None)]


def _api_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_API_KEY.fullmatch(key) for key in keys):
        raise ValueError("a key must be printable ASCII without spaces")
    return keys


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an HTTP header")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} holds a line break or another character that no header may")
    return headers


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("must be an address, or a network such as 10.0.0.0/8") from None
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"must be a regular expression ({error})") from None
    return value


def http_url(value: str) -> str:
    """The URL itself, if it is an absolute one of http or https without a user, password or fragment in it."""
    if re.search(r"[\s\x00-\x1f\x7f]", value):
        raise ValueError("must be a URL without blanks")
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  reading it checks it
    except ValueError as error:
        raise ValueError(f"must be a URL ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that begins with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ValueError("must be a URL without a user and password: credentials belong in headers or api_keys")
    if "#" in value:
        raise ValueError("must be a URL without a fragment (#…)")
    return value


def _base_url(value: str) -> str:
    if "?" in http_url(value):
        raise ValueError("must be a URL without a query (?…): paths are appended to it")
    return value.rstrip("/")


def _proxy(value: str) -> str:
    """Like any other URL, but a proxy's user and password have no other place."""
    parts = urlsplit(value)
    http_url(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}")
    return value


def _database(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql://")):
        raise ValueError("must be a URL that begins with sqlite:/// or postgresql://")
    return value


def _transport(value: Any) -> Any:
    return _TRANSPORTS.get(value, value) if isinstance(value, str) else value


_number = BeforeValidator(_no_bool)

Count = Annotated[int, _number, Field(ge=1)]
CountOrZero = Annotated[int, _number, Field(ge=0)]
Port = Annotated[int, _number, Field(ge=0, le=65535)]
Seconds = Annotated[float, _number, Field(gt=0)]
SecondsOrZero = Annotated[float, _number, Field(ge=0)]
Days = Annotated[float, _number, Field(gt=0)]
Dollars = Annotated[float, _number, Field(ge=0)]
SomeDollars = Annotated[float, _number, Field(ge=0.01)]

Host = Annotated[str, _matching(r"\S+", "must be an address or a name")]
HttpUrl = Annotated[str, AfterValidator(http_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
DatabaseUrl = Annotated[str, AfterValidator(_database)]
Regex = Annotated[str, AfterValidator(_regex)]

HeaderName = Annotated[str, _matching(_HEADER_NAME.pattern, "must be the name of an HTTP header")]
Network = Annotated[str, AfterValidator(_network)]

ApiKeys = Annotated[
    tuple[str, ...], BeforeValidator(_drop_empty), BeforeValidator(_one_is_a_list), AfterValidator(_api_keys)
]
HttpHeaders = Annotated[dict[str, str], AfterValidator(_headers)]
TransportName = Annotated[Transport, BeforeValidator(_transport)]

ToolPrefix = Annotated[
    str, _matching(r"[A-Za-z0-9_-]{1,32}", "must be 1 to 32 letters, digits, underscores and hyphens")
]
ServerName = Annotated[
    str, _matching(r"[A-Za-z0-9_-]+", "a server's name may hold letters, digits, underscores and hyphens only")
]
LimitName = Annotated[
    str, _matching(r"[A-Za-z0-9_-]+", "a limit's name may hold letters, digits, underscores and hyphens only")
]


def _provider_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError("a provider's name may hold lower-case letters, digits and single hyphens between them only")
    if value in RESERVED:
        raise ValueError(f"no provider may bear this name: aibridge serves /{value} itself")
    return value


ProviderName = Annotated[str, AfterValidator(_provider_name)]

EmptyIsNone = BeforeValidator(_empty_is_none)
"""For settings that may be null."""
