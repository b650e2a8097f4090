"""Limits of what actors may use: requests and tokens a minute, money a day and a month."""

from aibridge.budgets.opening import LiveBudgets, open_budgets
from aibridge.budgets.rules import Limit

__all__ = ["Limit", "LiveBudgets", "open_budgets"]
