"""A provider as data: its base URL, its dialects, how it takes a key, and what is passed through unread."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aibridge.model import DialectName, ProviderType


@dataclass(frozen=True, slots=True)
class Intercepted:
    """A route whose requests we open: where the client posts, where that goes, and what is spoken there."""

    path: str  # behind the provider's name
    upstream_path: str  # behind the provider's base URL
    dialect: DialectName


@dataclass(frozen=True, slots=True)
class Passthrough:
    """A route whose requests we don't open. `label` is its bounded name in metrics."""

    methods: tuple[str, ...]
    pattern: re.Pattern[str]  # the whole path behind the provider's name
    strip: str  # the part of the client's path that the base URL has already
    label: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What all accounts of one type of provider have in common."""

    type: ProviderType
    intercepted: tuple[Intercepted, ...]
    passthrough: tuple[Passthrough, ...]
    auth_header: bytes  # where its keys go: `authorization` means Bearer
    aliased: bool = True  # whether its first provider also serves its routes without a name


@dataclass(frozen=True, slots=True)
class Provider:
    """A configured account."""

    name: str  # the route prefix
    kind: Kind
    base_url: str  # without a trailing slash
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    byok: str = "fallback"  # fallback | prefer | never
    extra_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    send_actor_headers: bool = False


_ID = r"[A-Za-z0-9_.:-]+"


def _passthrough(methods: str, path: str, strip: str = "") -> Passthrough:
    label = path.replace(_ID, "{id}").replace("(/.*)?", "…")
    return Passthrough(tuple(methods.split()), re.compile(path), strip, label)


OPENAI = Kind(
    type="openai",
    intercepted=(
        Intercepted("/v1/chat/completions", "/chat/completions", "chat_completions"),
        Intercepted("/v1/responses", "/responses", "responses"),
    ),
    passthrough=(
        _passthrough("GET", "/v1/models", "/v1"),
        _passthrough("GET DELETE", f"/v1/models/{_ID}(/{_ID})*", "/v1"),
        _passthrough("GET POST DELETE", "/v1/conversations(/.*)?", "/v1"),
        _passthrough("GET POST DELETE", f"/v1/responses/{_ID}(/.*)?", "/v1"),
        _passthrough("POST", "/v1/embeddings", "/v1"),
    ),
    auth_header=b"authorization",
)

ANTHROPIC = Kind(
    type="anthropic",
    intercepted=(Intercepted("/v1/messages", "/v1/messages", "messages"),),
    passthrough=(
        _passthrough("GET", "/v1/models(/.*)?"),
        _passthrough("POST", "/v1/messages/count_tokens"),
        _passthrough("GET HEAD", "/api/hello"),
        _passthrough("POST", "/api/event_logging(/.*)?"),
    ),
    auth_header=b"x-api-key",
)

COPILOT = Kind(
    type="copilot",
    intercepted=(
        Intercepted("/chat/completions", "/chat/completions", "chat_completions"),
        Intercepted("/responses", "/responses", "responses"),
        Intercepted("/v1/messages", "/v1/messages", "messages"),
    ),
    passthrough=(_passthrough("GET", "/models"),),
    auth_header=b"authorization",
    aliased=False,
)

KINDS: Mapping[str, Kind] = {kind.type: kind for kind in (OPENAI, ANTHROPIC, COPILOT)}
"""The types a configuration may name."""

DEFAULT_BASE_URLS: Mapping[str, str] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "copilot": "https://api.githubcopilot.com",
}
"""Where a provider is, unless the configuration says otherwise."""
