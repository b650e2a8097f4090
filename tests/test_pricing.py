"""What tokens cost, compared with the library that knows the prices."""

from decimal import Decimal
from unittest.mock import Mock

import pytest
from genai_prices import Usage, calc_price

from aibridge.model import TokenUsage
from aibridge.pricing import OwnPrice, Prices

ACCOUNTS = {
    "openai": ("openai", "https://api.openai.com/v1"),
    "anthropic": ("anthropic", "https://api.anthropic.com"),
    "seek": ("openai", "https://api.deepseek.com/v1"),
    "proxied": ("openai", "http://127.0.0.1:9/v1"),
}
PRICES = Prices(accounts=ACCOUNTS)


def a_round(input: int = 1000, output: int = 200, read: int = 0, write: int = 0, **extra: object) -> TokenUsage:  # noqa: A002
    return TokenUsage("r", input, output, read, write, extra)


@pytest.mark.parametrize("usage", [a_round(), a_round(7, 3, 5, 11), a_round(150_000, 1, 60_000), a_round(0, 0)])
@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-5"),
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-4-5"),
    ],
)
def test_it_is_what_the_library_says(provider: str, model: str, usage: TokenUsage) -> None:
    whole = usage.input + usage.cache_read + usage.cache_write
    theirs = calc_price(
        Usage(input_tokens=whole, output_tokens=usage.output, cache_read_tokens=usage.cache_read,
              cache_write_tokens=usage.cache_write), model, provider_id=provider,
    )  # fmt: skip
    cost = PRICES(provider, model, usage)
    assert cost is not None
    assert abs(cost.micros - theirs.total_price * 1_000_000) <= Decimal("0.5")


def test_it_says_which_price_it_used() -> None:
    cost = PRICES("openai", "gpt-5", a_round())
    assert cost is not None
    assert cost.price == {
        "source": "genai-prices", "model": "gpt-5",
        "input": "1.25", "output": "10", "cache_read": "0.125", "cache_write": "1.25",
    }  # fmt: skip


def test_a_large_input_makes_all_of_it_dearer() -> None:
    small, large = (PRICES("anthropic", "claude-sonnet-4-5", a_round(tokens, 0)) for tokens in (200_000, 200_001))
    assert small is not None
    assert large is not None
    assert (small.micros, large.micros) == (600_000, 1_200_006)


def test_what_is_kept_for_an_hour_costs_more() -> None:
    short = PRICES("anthropic", "claude-sonnet-4-5", a_round(0, 0, write=1000))
    long = PRICES("anthropic", "claude-sonnet-4-5", a_round(0, 0, write=1000, cache_ephemeral_1h_input=400))
    assert short is not None
    assert long is not None
    assert (short.micros, long.micros) == (3750, 600 * 15 // 4 + 400 * 6)


def test_the_address_tells_whose_prices_hold() -> None:
    cost = PRICES("seek", "deepseek-chat", a_round())
    assert cost is not None
    assert cost.price["model"] == "deepseek-chat"


def test_behind_an_address_that_nobody_knows_the_type_does() -> None:
    assert PRICES("proxied", "gpt-5", a_round()) == PRICES("openai", "gpt-5", a_round())


def test_what_has_no_price_has_no_cost() -> None:
    assert PRICES("openai", "my-own-model", a_round()) is None
    assert PRICES("nobody", "gpt-5", a_round()) is None


def test_the_operator_s_price_wins_and_the_first_that_matches() -> None:
    own = [OwnPrice("GPT-5*", 1.1, 9, cache_read=0.11), OwnPrice("*", 0, 0)]
    prices = Prices(own, ACCOUNTS)
    cost = prices("openai", "gpt-5-mini", a_round(1000, 100, 1000, 1000))
    assert cost is not None
    assert (cost.micros, cost.price["source"], cost.price["model"]) == (1100 + 900 + 110 + 1100, "config", "GPT-5*")
    free = prices("openai", "anything", a_round())
    assert free is not None
    assert free.micros == 0


def test_half_a_millionth_is_rounded_up() -> None:
    prices = Prices([OwnPrice("m", 0.5, 0)])
    assert [getattr(prices("x", "m", a_round(tokens, 0)), "micros", None) for tokens in (1, 2, 3)] == [1, 1, 2]


def test_a_price_is_looked_up_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looking = [0.0], Mock(wraps=calc_price)
    prices = Prices([], ACCOUNTS, now=lambda: now[0])
    monkeypatch.setattr("genai_prices.calc_price", looking)
    for moment in (1_700_000_000.0, 1_700_000_001.0, 1_700_003_601.0):
        now[0] = moment
        prices("openai", "gpt-5", a_round())
    assert looking.call_count == 2


def test_new_prices_hold_from_then_on() -> None:
    prices = Prices([OwnPrice("m", 1, 1)])
    before = prices("x", "m", a_round(1, 0))
    prices.renew([OwnPrice("m", 2, 2)], {})
    after = prices("x", "m", a_round(1, 0))
    assert before is not None
    assert after is not None
    assert (before.micros, after.micros) == (1, 2)
