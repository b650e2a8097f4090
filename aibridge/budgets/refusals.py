"""What a client is told who has come to a limit: which, how much of it is used, and when there is more."""

from __future__ import annotations

from datetime import datetime

from aibridge.budgets.rules import PERIODS, is_money
from aibridge.budgets.windows import end_of
from aibridge.errors import OverLimit
from aibridge.store.budgets import Account, Full

RESERVED_SECONDS = 5.0
"""After so long there may be room again, where rounds under way have set aside what is left."""


def refusal(full: Full, now: datetime) -> OverLimit:
    """The error. What is spent is gone until the window is over; what is set aside may soon be free."""
    account, balance, most = full.entry.account, full.balance, full.entry.most
    resets = end_of(PERIODS[account.quantity], balance.window)
    wait = max(0.0, (resets - now).total_seconds())
    used, is_spent = f"{_amount(account, balance.spent)} of {_amount(account, most)} used", balance.spent >= most
    if not is_spent:
        used += f", and {_amount(account, balance.reserved)} set aside for requests under way"
        wait = min(wait, RESERVED_SECONDS)
    return OverLimit(
        f"The limit {account.limit} ({account.quantity}) is reached for {account.actor or 'all together'}: {used}. "
        f"It resets at {resets:%Y-%m-%d %H:%M} UTC.",
        status=403 if is_spent and is_money(account) else 429,
        code="budget_exceeded" if is_money(account) else "rate_limit_exceeded",
        retry_after=wait,
    )


def unpriced(account: Account, model: str) -> OverLimit:
    """The error where nobody knows what a round would cost."""
    return OverLimit(
        f"The limit {account.limit} ({account.quantity}) is one of money, and no price is known for the model "
        f"{model!r}: ask for another model, or have a price set for it (prices).",
        status=403,
        code="model_unpriced",
    )


def _amount(account: Account, amount: int) -> str:
    return f"${amount / 1_000_000:.2f}" if is_money(account) else f"{amount:,} {account.quantity.partition('_')[0]}"
