"""Which limits an interception has to heed."""

from typing import Any

import pytest

from aibridge.budgets.rules import PERIODS, is_money, meters
from aibridge.config import Limit as Setting
from aibridge.store.budgets import Account
from tests.budgets.parts import limit


@pytest.mark.parametrize(
    ("patterns", "held"),
    [
        ({}, True),
        ({"actor": "ann"}, True),
        ({"actor": "a*"}, True),
        ({"actor": "Ann"}, False),
        ({"model": "gpt-6*"}, True),
        ({"model": "GPT-6-mini"}, True),
        ({"model": "gpt-5*"}, False),
        ({"provider": "open*"}, True),
        ({"provider": "azure"}, False),
        ({"actor": "ann", "model": "gpt-5*"}, False),
    ],
)
def test_all_patterns_must_match(patterns: dict[str, Any], held: bool) -> None:
    found = list(meters([limit(requests_per_minute=1, **patterns)], "ann", "openai", "gpt-6-mini"))
    assert bool(found) is held


def test_all_that_match_hold_each_with_all_its_quantities() -> None:
    mine, ours = limit(requests_per_minute=1, dollars_per_day=2), limit("ours", tokens_per_minute=3, per="all")
    assert [(one.account, one.most) for one in meters([mine, ours], "ann", "openai", "gpt-6")] == [
        (Account("mine", "requests_per_minute", "ann"), 1),
        (Account("mine", "dollars_per_day", "ann"), 20_000),
        (Account("ours", "tokens_per_minute", ""), 3),
    ]


def test_the_quantities_are_those_of_the_settings() -> None:
    assert set(PERIODS) == {name for name in Setting.model_fields if "_per_" in name}
    assert [name for name in PERIODS if is_money(Account("", name, ""))] == ["dollars_per_day", "dollars_per_month"]
