"""Whose key goes upstream."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aibridge.errors import Unauthorized
from aibridge.gateway.credentials import choose_credential
from aibridge.model import Credential
from aibridge.providers import ANTHROPIC, OPENAI, Provider

CENTRAL = Provider("openai", OPENAI, "http://x", api_keys=("sk-central-0123456789", "sk-second"))
KEYLESS = replace(CENTRAL, api_keys=())
OWN = Credential("byok", (b"x-api-key", b"mine"), "…")


@pytest.mark.parametrize(
    ("provider", "byok", "own", "whose"),
    [
        (CENTRAL, "fallback", OWN, "centralized"),
        (CENTRAL, "fallback", None, "centralized"),
        (KEYLESS, "fallback", OWN, "byok"),
        (CENTRAL, "prefer", OWN, "byok"),
        (CENTRAL, "prefer", None, "centralized"),
        (CENTRAL, "never", OWN, "centralized"),
    ],
)
def test_whose_key_it_is(provider: Provider, byok: str, own: Credential | None, whose: str) -> None:
    assert choose_credential(replace(provider, byok=byok), own).kind == whose


def test_a_central_key_goes_in_the_header_of_its_provider() -> None:
    assert choose_credential(CENTRAL, None).header == (b"authorization", b"Bearer sk-central-0123456789")
    anthropic = Provider("anthropic", ANTHROPIC, "http://x", api_keys=("sk-ant-0123456789abc",))
    assert choose_credential(anthropic, None).header == (b"x-api-key", b"sk-ant-0123456789abc")


@pytest.mark.parametrize(("byok", "own"), [("fallback", None), ("prefer", None), ("never", OWN)])
def test_no_key_at_all_is_told_with_its_remedy(byok: str, own: Credential | None) -> None:
    with pytest.raises(Unauthorized, match=r"There is no key for openai: set providers\.openai\.api_keys"):
        choose_credential(replace(KEYLESS, byok=byok), own)
