"""What is told: which limit, how much of it is used, when there is more."""

from datetime import timedelta

import pytest

from aibridge.budgets.refusals import refusal
from aibridge.budgets.rules import Meter
from aibridge.store.budgets import Account, Balance, Full
from tests.budgets.parts import CENT, NOON


def told(quantity: str, most: int, spent: int, reserved: int = 0, actor: str = "ann") -> tuple[int, str | None, str]:
    entry = Meter(Account("mine", quantity, actor), most).entry(NOON)
    error = refusal(Full(entry, Balance(entry.window, spent, reserved)), NOON)
    return error.status, f"{error.code} {error.retry_after:.0f}", error.message


@pytest.mark.parametrize(
    ("quantity", "most", "status", "code", "message"),
    [
        (
            "tokens_per_minute",
            1000,
            429,
            "rate_limit_exceeded 30",
            "The limit mine (tokens_per_minute) is reached for ann: 2,000 tokens of 1,000 tokens used. "
            "It resets at 2026-11-20 12:01 UTC.",
        ),
        (
            "dollars_per_day",
            1000,
            403,
            "budget_exceeded 43170",
            "The limit mine (dollars_per_day) is reached for ann: $0.00 of $0.00 used. "
            "It resets at 2026-11-21 00:00 UTC.",
        ),
        (
            "dollars_per_month",
            5 * CENT,
            403,
            "budget_exceeded 907170",
            "The limit mine (dollars_per_month) is reached for ann: $0.10 of $0.05 used. "
            "It resets at 2026-12-01 00:00 UTC.",
        ),
    ],
)
def test_what_is_spent_is_gone_until_it_resets(quantity: str, most: int, status: int, code: str, message: str) -> None:
    assert told(quantity, most, 2 * most) == (status, code, message)


def test_what_is_set_aside_may_soon_be_free() -> None:
    status, code, message = told("dollars_per_day", 100 * CENT, 40 * CENT, 60 * CENT, actor="")
    assert (status, code) == (429, "budget_exceeded 5")
    assert "reached for all together: $0.40 of $1.00 used, and $0.60 set aside for requests under way." in message


def test_where_the_window_is_over_already_nobody_waits() -> None:
    entry = Meter(Account("mine", "requests_per_minute", "ann"), 1).entry(NOON)
    assert refusal(Full(entry, Balance(entry.window, 1)), NOON + timedelta(minutes=2)).retry_after == 0
