"""The section `limits`."""

import pytest

from aibridge.config import Limit
from tests.config.conftest import Faults, Load


def test_a_limit_holds_for_everyone_unless_it_says_for_whom(settings: Load) -> None:
    read = settings("limits: {mine: {dollars_per_day: 5}, ours: {actor: 'a*', per: all, requests_per_minute: 60}}")
    assert read.limits == {
        "mine": Limit(dollars_per_day=5),
        "ours": Limit(actor="a*", per="all", requests_per_minute=60),
    }
    assert (read.limits["mine"].actor, read.limits["mine"].model, read.limits["mine"].per) == ("*", "*", "actor")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "{mine: {actor: ann}}",
            "limits.mine: limits nothing: it needs requests_per_minute, tokens_per_minute, dollars_per_day or "
            "dollars_per_month",
        ),
        ("{mine: {dollars_per_day: 0}}", "limits.mine.dollars_per_day: must be at least 0.01; it is 0"),
        ("{mine: {requests_per_minute: 0}}", "limits.mine.requests_per_minute: must be at least 1; it is 0"),
        ("{mine: {requests_per_minute: 1.5}}", "limits.mine.requests_per_minute: must be a whole number; it is 1.5"),
        ("{mine: {dollar_per_day: 1}}", "limits.mine.dollar_per_day: unknown key; did you mean dollars_per_day?"),
        ("{mine: {per: team, dollars_per_day: 1}}", "limits.mine.per: must be 'actor' or 'all'; it is 'team'"),
        (
            "{a b: {dollars_per_day: 1}}",
            "limits.a b: a limit's name may hold letters, digits, underscores and hyphens only",
        ),
    ],
)
def test_mistakes_are_told(faults: Faults, text: str, fault: str) -> None:
    assert faults(f"limits: {text}") == [f"aibridge.yaml: {fault}"]
