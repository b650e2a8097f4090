"""Every setting: its name, type, default, bounds and meaning. `docs/settings.md` shows the same, held by a test."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from aibridge.config.accounts import Provider
from aibridge.config.faults import ConfigError
from aibridge.config.rules import (
    Count,
    DatabaseUrl,
    Days,
    EmptyIsNone,
    HeaderName,
    Host,
    HttpHeaders,
    HttpUrl,
    LimitName,
    Network,
    Port,
    ProviderName,
    Regex,
    Seconds,
    SecondsOrZero,
    ServerName,
    ToolPrefix,
    Transport,
    TransportName,
)
from aibridge.config.section import Section
from aibridge.config.usage import Limit, OwnPrice
from aibridge.model import ProviderType


class Server(Section):
    """Where the gateway listens, and its limits."""

    host: Host = Field(
        default="127.0.0.1", description="Address to listen on. Beyond loopback only with authentication."
    )
    port: Port = Field(default=8080, description="Port to listen on; 0 takes a free one.")
    keepalive_seconds: Seconds = Field(
        default=15, description="A silent stream gets a keepalive after so many seconds."
    )
    max_request_bytes: Count = Field(default=33554432, description="Larger request bodies are refused with 413.")
    max_header_bytes: Annotated[Count, Field(ge=1024)] = Field(
        default=65536, description="Larger heads of requests are refused with 431."
    )
    header_seconds: Seconds = Field(
        default=20, description="How long a request's headers may take; then 408, and the connection closes."
    )
    body_seconds: Seconds = Field(
        default=30, description="How long a request's body may stand still, or nearly; then 408."
    )
    idle_seconds: Seconds = Field(
        default=75, description="How long a connection may be without a request; then it closes."
    )
    slow_reader_seconds: Seconds = Field(
        default=60, description="How long a client may leave its response unread, or nearly; then it is cut."
    )
    max_connections: Count = Field(
        default=16384, description="Clients' connections at a time; beyond that one without a request closes."
    )
    max_concurrent_requests: Count = Field(
        default=2000, description="Requests at a time; beyond that they are refused with 503."
    )
    max_concurrent_per_actor: Annotated[Count | None, EmptyIsNone] = Field(
        default=None, description="Requests of one actor at a time; beyond that 429. `null`: as many as of all."
    )
    shutdown_grace_seconds: SecondsOrZero = Field(
        default=30,
        description="How long open requests may go on after a signal to stop; then they are ended in their stream.",
    )
    workers: Count = Field(default=1, description="Processes that serve; about one for each core.")
    watch_config: bool = Field(
        default=True, description="Whether the file is read again when it changes; SIGHUP does that in any case."
    )


class Auth(Section):
    """Who may use the gateway."""

    mode: Literal["none", "keys", "header"] = Field(
        default="none",
        description="`none`: everyone, on this machine alone; `keys`: who has a key; `header`: whom a proxy names.",
    )
    header: HeaderName = Field(
        default="x-forwarded-user", description="Mode `header`: the header in which the proxy names the user."
    )
    role_header: Annotated[HeaderName | None, EmptyIsNone] = Field(
        default=None,
        description="Mode `header`: the header in which it names their role. `null`: everyone is a `user`.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(), description="Mode `header`: addresses or networks of the proxies; nobody else is served."
    )

    @model_validator(mode="after")
    def _somebody_is_trusted(self) -> Auth:
        if self.mode == "header" and not self.trusted_proxies:
            raise ValueError("mode header needs trusted_proxies: the addresses that the proxy connects from")
        return self


def _guessed(fields: dict[str, Any]) -> Transport:
    if fields.get("command"):
        return "stdio"
    path = (fields.get("url") or "").partition("?")[0]
    return "sse" if path.rstrip("/").endswith("/sse") else "streamable-http"


class McpServer(Section):
    """A server whose tools are injected, in the shape of an IDE's mcp.json."""

    command: Annotated[str | None, EmptyIsNone] = Field(default=None, description="Program of a local server (stdio).")
    args: tuple[str, ...] = Field(default=(), repr=False, description="The program's arguments.")
    env: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Environment variables of the program, beyond a safe few."
    )
    url: Annotated[HttpUrl | None, EmptyIsNone] = Field(
        default=None, repr=False, description="Address of a remote server."
    )
    headers: HttpHeaders = Field(
        default_factory=dict, repr=False, description="Headers of every request to a remote server."
    )
    transport: TransportName = Field(
        default_factory=_guessed,
        description="`stdio`, `streamable-http` (also written `http`) or `sse`; may be called `type`.",
    )
    allow: Annotated[Regex | None, EmptyIsNone] = Field(
        default=None,
        description="Regular expression, searched in raw tool names: only these are injected. `null`: all.",
    )
    deny: Annotated[Regex | None, EmptyIsNone] = Field(
        default=None,
        description="Regular expression, searched in raw tool names: these are not injected, even if allowed.",
    )
    timeout: Seconds = Field(default=60, description="Seconds that a tool call may take.")
    actors: tuple[str, ...] | None = Field(
        default=None, description="Names of the actors who may use the server. `null`: everyone."
    )
    disabled: bool = Field(default=False, description="Whether the server is left out.")

    @model_validator(mode="before")
    @classmethod
    def _type_is_transport(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "type" not in value:
            return value
        if "transport" in value:
            raise ValueError("type and transport mean the same: write only one of them")
        return {"transport" if key == "type" else key: member for key, member in value.items()}

    @model_validator(mode="after")
    def _one_way_to_reach_it(self) -> McpServer:
        if (self.command is None) == (self.url is None):
            given = "neither is here" if self.command is None else "both are here"
            raise ValueError(f"must have a command (a local program) or a url (a remote server); {given}")
        if (self.transport == "stdio") != (self.command is not None):
            has = "a command" if self.command else "a url"
            raise ValueError(f"has {has}, which does not go with the transport {self.transport}")
        for name in ("args", "env") if self.url else ("headers",):
            if getattr(self, name):
                raise ValueError(f"{name} has no use beside {'a url' if self.url else 'a command'}")
        return self


class Tools(Section):
    """How tools are injected."""

    prefix: ToolPrefix = Field(default="bmcp", description="First part of every injected tool's name.")
    max_rounds: Count = Field(
        default=24, description="Rounds of one turn at most; the model must answer in the last one."
    )
    parallel: Count = Field(default=8, description="Calls that run at the same time for one interception.")
    max_result_chars: Count = Field(
        default=200000, description="Characters of a tool's result that the model is given."
    )
    pinning: Literal["off", "warn", "enforce"] = Field(
        default="warn",
        description="A tool that has changed since it was first seen is offered silently (`off`), with a warning in "
        "the log, or only once `aibridge tools approve` was run.",
    )
    max_tools: Count = Field(default=128, description="Tools in one request, the client's counted first.")


class Recorder(Section):
    """Where records go."""

    url: DatabaseUrl = Field(
        default="sqlite:///aibridge.db", repr=False, description="The database: `sqlite:///FILE` or `postgresql://…`."
    )
    retention_days: Annotated[Days | None, EmptyIsNone] = Field(
        default=None, description="Records older than so many days are deleted. `null`: kept for ever."
    )
    prompts: Literal["full", "none"] = Field(default="full", description="Whether prompts are recorded.")
    spool_dir: Annotated[Path | None, EmptyIsNone] = Field(
        default=None,
        description="Directory of the spool. `null`: `FILE-spool` beside a SQLite file, else `aibridge-spool`.",
    )
    spool_max_bytes: Count = Field(
        default=1073741824, description="With a spool of this size no new interception is recorded."
    )
    when_full: Literal["refuse", "drop_and_count"] = Field(
        default="refuse",
        description="What happens then, or when its disk fails: `refuse` requests or `drop_and_count`.",
    )


class Recall(Section):
    """How hidden turns are remembered between requests."""

    enabled: bool = Field(default=True, description="Whether hidden turns are kept and put back into the conversation.")
    ttl_days: Days = Field(default=7, description="Days that a hidden turn is kept.")
    max_bytes_per_turn: Count = Field(default=1_000_000, description="Larger hidden turns are not kept.")


class Telemetry(Section):
    """What the gateway tells about itself."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`console` for people, `json` for machines; `auto`: console on a terminal."
    )
    otlp_endpoint: Annotated[HttpUrl | None, EmptyIsNone] = Field(
        default=None, description="Where traces are sent (OTLP over HTTP). `null`: nowhere."
    )
    capture_content: bool = Field(default=False, description="Whether traces may hold what people and tools say.")


def _default_providers() -> dict[str, Provider]:
    return {"openai": Provider(type="openai"), "anthropic": Provider(type="anthropic")}


class Settings(Section):
    """All settings of a gateway."""

    server: Server = Field(default_factory=Server, description="Where the gateway listens, and its limits.")
    auth: Auth = Field(default_factory=Auth, description="Who may use the gateway.")
    providers: dict[ProviderName, Provider] = Field(
        default_factory=_default_providers,
        description="Accounts by name; the name is the first part of the route.",
    )
    mcp_servers: dict[ServerName, McpServer] = Field(
        default_factory=dict, description="Servers whose tools are injected, by name. May be called `mcpServers`."
    )
    tools: Tools = Field(default_factory=Tools, description="How tools are injected.")
    recorder: Recorder = Field(default_factory=Recorder, description="Where records go.")
    recall: Recall = Field(default_factory=Recall, description="How hidden turns are remembered between requests.")
    prices: dict[str, OwnPrice] = Field(
        default_factory=dict,
        description="What models cost here, by a pattern of their names; the first that matches holds.",
    )
    limits: dict[LimitName, Limit] = Field(
        default_factory=dict, description="What actors may use: requests, tokens and money, by the limits' names."
    )
    telemetry: Telemetry = Field(default_factory=Telemetry, description="What the gateway tells about itself.")

    @field_validator("providers", mode="before")
    @classmethod
    def _type_from_name(cls, providers: Any) -> Any:
        if not isinstance(providers, dict):
            return providers
        return {name: _typed(name, provider) for name, provider in providers.items()}

    @field_validator("mcp_servers", mode="before")
    @classmethod
    def _none_is_empty(cls, servers: Any) -> Any:
        return {} if servers is None else servers

    def listening(self, host: str | None = None, port: int | None = None, workers: int | None = None) -> Settings:
        """These settings with another address, or other many workers, where they are given."""
        options = {"host": host, "port": port, "workers": workers}
        given = {key: value for key, value in options.items() if value is not None}
        return self.model_copy(update={"server": self.server.model_copy(update=given)})

    def check_served(self) -> None:
        """Raises ConfigError for what settings may say and is not served there."""
        self.check_listen(self.server.host)

    def check_listen(self, host: str) -> None:
        """Raises ConfigError if callers from other machines could reach `host` and nothing asks who they are."""
        if self.auth.mode == "none" and not _is_loopback(host):
            raise ConfigError(
                f"server.host: {host} can be reached from other machines, and auth.mode none asks nobody for a key; "
                "listen on 127.0.0.1, or set auth.mode to keys"
            )


def _typed(name: object, provider: Any) -> Any:
    provider = {} if provider is None else provider
    if isinstance(provider, dict) and provider.get("type") is None and name in get_args(ProviderType):
        return {**provider, "type": name}
    return provider


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
