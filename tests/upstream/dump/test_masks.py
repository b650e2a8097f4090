"""What a dump does not show."""

import pytest

from aibridge.upstream.dump.masks import Masks
from tests.upstream.provider import BYOK, CALLERS_KEY, OWN_KEY


def masks(*known: str, extra: tuple[str, ...] = ()) -> Masks:
    return Masks(BYOK, known, extra)


SECRET_HEADERS = """
    Authorization proxy-authorization x-api-key api-key x-goog-api-key cookie set-cookie x-auth-token
    x-amz-security-token x-client-secret x-auth x-project
"""


@pytest.mark.parametrize("name", SECRET_HEADERS.split())
def test_headers_whose_name_says_so(name: str) -> None:
    [(_, shown)] = Masks(None, (), ("X-Project",)).headers(((name.encode(), b"whatever"),))
    assert shown == b"***"


@pytest.mark.parametrize("name", ["x-ratelimit-remaining-tokens", "openai-organization", "keep-alive", "x-keyed"])
def test_other_headers_are_shown(name: str) -> None:
    assert masks().headers(((name.encode(), b"3"),)) == ((name.encode(), b"3"),)


def test_the_credential_is_shown_by_its_hint() -> None:
    assert masks().headers((BYOK.header,)) == ((b"authorization", b"sk-\xe2\x80\xa60003"),)


def test_a_known_secret_is_masked_in_any_header() -> None:
    assert masks(OWN_KEY).headers(((b"x-debug", f"key {OWN_KEY}!".encode()),)) == ((b"x-debug", b"key ***!"),)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/v1/models", b"/v1/models"),
        (b"/v1/models?limit=3&after=x", b"/v1/models?limit=3&after=x"),
        (b"/v1?api_key=one&n=1&access-token=two", b"/v1?api_key=***&n=1&access-token=***"),
        (b"/v1?q=" + CALLERS_KEY.encode(), b"/v1?q=sk-\xe2\x80\xa60003"),
    ],
)
def test_parameters_of_the_address(target: bytes, shown: bytes) -> None:
    assert masks().target(target) == shown


def test_even_a_short_key_is_masked_in_a_body_in_pieces() -> None:
    cleaner = masks("hunter").cleaner()
    assert cleaner.clean(b"it is hun") + cleaner.clean(b"ter, or hun") + cleaner.rest() == b"it is ***, or hun"


@pytest.mark.parametrize("name", ["authorization", "Authorization", "api_key", "x-api-key", "access_token", "password"])
def test_what_a_client_gives_to_the_providers_own_tools(name: str) -> None:
    body = f'{{"tools": [{{"type": "mcp", "headers": {{"{name}" : "Bearer a\\"b", "x": "y"}}}}]}}'.encode()
    assert masks().body(body) == body.replace(b'"Bearer a\\"b"', b'"***"')


def test_a_body_is_else_as_it_is() -> None:
    body = b'{"messages": [{"content": "the authorization: none", "max_tokens": 3, "key": "C major"}]}'
    assert masks(OWN_KEY).body(body) == body
