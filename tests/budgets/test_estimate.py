"""What a round may use at most."""

import pytest

from aibridge.budgets.estimate import OUTPUT_TOKENS, estimate, tokens_of
from aibridge.model import TokenUsage


@pytest.mark.parametrize(
    ("body", "output"),
    [
        (b'{"max_tokens": 7}', 7),
        (b'{"max_completion_tokens": 8, "max_tokens": 7}', 8),
        (b'{"model": "m", "max_output_tokens": 9, "input": []}', 9),
        (b'{"max_tokens": null}', OUTPUT_TOKENS),
        (b'{"max_tokens": "many"}', OUTPUT_TOKENS),
        (b'{"max_tokens": -1}', 0),
        (b'{"max_tokens": 7, "input": "\\ud800"}', OUTPUT_TOKENS),
        (b"{}", OUTPUT_TOKENS),
        (b'{"input": "\xff"', OUTPUT_TOKENS),
    ],
)
def test_the_output_is_as_long_as_the_request_permits(body: bytes, output: int) -> None:
    assert estimate(body).output == output


def test_the_input_is_guessed_by_its_size() -> None:
    assert estimate(b" " * 4000 + b"{}").input == 1000


def test_all_tokens_count() -> None:
    assert tokens_of(TokenUsage(None, 1, 20, 300, 4000)) == 4321
