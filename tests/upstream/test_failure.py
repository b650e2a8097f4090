"""The table of failures: what each is, whether to try again, whether with another key, and whose health it tells of."""

from email.utils import formatdate

import pytest

from aibridge.errors import UpstreamError, UpstreamTimeout
from aibridge.upstream.failure import refused, retry_after, unanswered
from aibridge.upstream.retry import LONGEST_WAIT, wait_before

TODAY = 1_800_000_000.0
QUOTA = b'{"error": {"message": "You are out", "code": "insufficient_quota"}}'
NOT_PASSING = (False, False, False)


@pytest.mark.parametrize(
    ("status", "body", "kind", "decisions"),
    [
        # passing, of_key, of_provider
        (529, b"", "overloaded", (True, False, True)),
        (500, b'{"error": {"type": "overloaded_error"}}', "overloaded", (True, False, False)),
        (429, QUOTA, "rate_limited", (False, True, False)),
        (402, b"", "rate_limited", (False, True, False)),
        (400, b'{"error": "see Plans & Billing"}', "rate_limited", (False, True, False)),
        (401, b"", "unauthorized", (False, True, False)),
        (401, QUOTA, "rate_limited", (False, True, False)),
        (400, b' {"error": "invalid api key"}', "unauthorized", (False, True, False)),
        (403, b"", "unauthorized", NOT_PASSING),
        (429, b"", "rate_limited", (True, True, False)),
        (429, b"<p>no billing here</p>", "rate_limited", (True, True, False)),
        (408, b"", "timeout", (True, False, False)),
        (504, b"", "timeout", (True, False, True)),
        (502, b"", "server_error", (True, False, True)),
        (503, b"", "server_error", (True, False, True)),
        (500, b"", "server_error", (True, False, False)),
        (400, b"", "bad_request", NOT_PASSING),
        (404, b'{"error": "model not found"}', "bad_request", NOT_PASSING),
        (413, b"", "bad_request", NOT_PASSING),
        (422, b"", "bad_request", NOT_PASSING),
        (501, b"", "unknown", NOT_PASSING),
        (599, b"", "unknown", NOT_PASSING),
    ],
)
def test_the_table(status: int, body: bytes, kind: str, decisions: tuple[bool, bool, bool]) -> None:
    failure = refused(status, (), body, TODAY)
    assert failure.kind == kind
    assert (failure.passing, failure.of_key, failure.of_provider) == decisions


@pytest.mark.parametrize(
    ("error", "kind"), [(UpstreamError("lost"), "server_error"), (UpstreamTimeout("slow"), "timeout")]
)
def test_no_answer_at_all(error: UpstreamError, kind: str) -> None:
    failure = unanswered(error)
    assert (failure.kind, failure.passing, failure.of_key, failure.of_provider) == (kind, True, False, True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        (((b"retry-after", b"7"),), 7),
        (((b"retry-after", b"0.5"),), 0.5),
        (((b"retry-after", b"-3"),), 0),
        (((b"retry-after", b"soon"),), None),
        (((b"retry-after", b"nan"),), None),
        (((b"retry-after", b"\xff"),), None),
        (((b"retry-after", b"Mon, 99 Foo 2026 10:00:00 GMT"),), None),
        (((b"retry-after", b"7"), (b"retry-after-ms", b"250")), 0.25),
        (((b"retry-after", b"7"), (b"retry-after-ms", b"often")), 7),
        (((b"retry-after", formatdate(TODAY + 30, usegmt=True).encode()),), 30),
        (((b"retry-after", formatdate(TODAY - 30, usegmt=True).encode()),), 0),
    ],
)
def test_how_long_the_provider_asks_us_to_wait(headers: tuple[tuple[bytes, bytes], ...], seconds: float | None) -> None:
    assert retry_after(headers, TODAY) == seconds


@pytest.mark.parametrize(
    ("retry", "asked", "chance", "seconds"),
    [
        (0, None, 0, 0.5),
        (1, None, 0, 1),
        (2, None, 0, 2),
        (2, None, 1, 1),
        (9, None, 0, 8),
        (5000, None, 0, 8),
        (0, b"7", 1, 7),
        (3, b"60", 0, 60),
        (0, b"60.1", 0, None),
        (0, b"inf", 0, None),
        (1, b"0", 0, 1),
    ],
)
def test_how_long_a_retry_waits(retry: int, asked: bytes | None, chance: float, seconds: float | None) -> None:
    headers = () if asked is None else ((b"retry-after", asked),)
    assert wait_before(retry, refused(429, headers, b"", TODAY), chance) == seconds
    assert seconds is None or seconds <= LONGEST_WAIT
