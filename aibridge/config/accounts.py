"""The settings of a provider: where it is, whose key goes there, how long it may take, what is done when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from aibridge.config.rules import ApiKeys, BaseUrl, Count, CountOrZero, EmptyIsNone, HttpHeaders, ProxyUrl, Seconds
from aibridge.config.section import Section
from aibridge.model import ProviderType


class Timeouts(Section):
    """How long a provider may take, in seconds."""

    connect: Seconds = Field(default=5, description="Seconds until a connection stands.")
    first_byte: Seconds = Field(
        default=300, description="Seconds until the answer begins; reasoning models can take minutes."
    )
    idle: Seconds = Field(default=300, description="Seconds of silence within an answer.")
    total: Seconds = Field(default=3600, description="Seconds for a whole interception, tools and all rounds included.")


class Retries(Section):
    """What happens when a provider fails before it has answered anything."""

    max: CountOrZero = Field(default=2, description="How often a failed upstream request is tried again.")


class CircuitBreaker(Section):
    """When a failing provider is left alone for a while."""

    failure_threshold: Count = Field(default=5, description="So many failures within the interval open the breaker.")
    interval: Seconds = Field(default=10, description="Seconds over which failures are counted.")
    open: Seconds = Field(default=30, description="Seconds for which an open breaker refuses requests.")
    half_open_requests: Count = Field(default=3, description="So many trial requests must succeed before it closes.")


class Provider(Section):
    """A configured account."""

    type: ProviderType = Field(description="Type of the provider: `openai`, `anthropic` or `copilot`.")
    base_url: Annotated[BaseUrl | None, EmptyIsNone] = Field(
        default=None, description="Where the provider is; paths are appended. `null`: the type's public address."
    )
    api_keys: ApiKeys = Field(
        default=(),
        repr=False,
        description="Our keys, in order of preference. Unset variables and empty entries are dropped.",
    )
    byok: Literal["fallback", "prefer", "never"] = Field(
        default="fallback",
        description="When the caller's own key goes upstream: `fallback` (where api_keys is empty), `prefer`, `never`.",
    )
    extra_headers: HttpHeaders = Field(
        default_factory=dict, repr=False, description="Headers added to every upstream request."
    )
    send_actor_headers: bool = Field(default=False, description="Whether the provider is told the actor's name.")
    timeouts: Timeouts = Field(default_factory=Timeouts, description="How long the provider may take.")
    retries: Retries = Field(default_factory=Retries, description="When a failed upstream request is tried again.")
    circuit_breaker: CircuitBreaker | None = Field(
        default_factory=CircuitBreaker, description="When a failing provider is left alone; `null`: never."
    )
    dump_dir: Annotated[Path | None, EmptyIsNone] = Field(
        default=None, description="Directory for dumps of upstream requests and responses, for debugging. `null`: none."
    )
    proxy: Annotated[ProxyUrl | None, EmptyIsNone] = Field(
        default=None,
        repr=False,
        description="HTTP proxy on the way to the provider, such as `http://user:pass@proxy:3128`.",
    )
    ca_file: Annotated[Path | None, EmptyIsNone] = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's."
    )
