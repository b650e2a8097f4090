"""What tokens cost: the operator's own prices first, then those that `genai-prices` keeps. Nothing is ever fetched."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Protocol

from aibridge.model import JSON, TokenUsage

_GENAI_PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "copilot": "github-copilot"}
_KEPT = 1024  # prices; callers choose the names of models
_ONE_HOUR = "cache_ephemeral_1h_input"
_PARTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one round cost, and why. `price` is as it is stored: `source`, `model`, and US dollars a million tokens."""

    micros: int  # millionths of a US dollar
    price: Mapping[str, JSON]


class Price(Protocol):
    """Tells what a round cost. The recorder is given one."""

    def __call__(self, provider: str, model: str, usage: TokenUsage) -> Cost | None:
        """`provider`: its name in the configuration. None where no price is known."""
        ...


def no_price(provider: str, model: str, usage: TokenUsage) -> None:
    """Implements Price for whoever keeps no accounts."""


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """The operator's price of all models that the pattern (`gpt-5*`) matches: US dollars a million tokens."""

    pattern: str
    input: float
    output: float
    cache_read: float | None = None  # None: as input
    cache_write: float | None = None


@dataclass(frozen=True, slots=True)
class _Rates:
    """What a token costs, in parts of a millionth of a dollar: whole numbers, which add up fast and exactly."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    price: Mapping[str, JSON]  # as it is stored


@dataclass(frozen=True, slots=True)
class _Tariff:
    """Rates by the size of the whole input, the largest first: more tokens than that, and all of them cost so much."""

    tiers: Sequence[tuple[int, _Rates]]


class Prices:
    """Implements Price. The first question about a model takes 0.1 ms, all others are arithmetic."""

    def __init__(
        self,
        own: Sequence[OwnPrice] = (),
        accounts: Mapping[str, tuple[str, str]] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`accounts`: each provider's type and base URL, by its name. A URL that is known tells whose prices hold.

        Otherwise the type does. `now`: seconds since 1970; some prices hold from a day on, or at some hours.
        """
        self._now = now
        self._tariff = lru_cache(_KEPT)(self._look_up)
        self.renew(own, accounts or {})

    def renew(self, own: Sequence[OwnPrice], accounts: Mapping[str, tuple[str, str]]) -> None:
        """From now on these hold."""
        self._own = own
        self._accounts = accounts
        self._tariff.cache_clear()

    def __call__(self, provider: str, model: str, usage: TokenUsage) -> Cost | None:
        """What a round cost."""
        tariff = self._tariff(provider, model, int(self._now()) // 3600)
        return None if tariff is None else _cost(tariff, usage)

    def _look_up(self, provider: str, model: str, hour: int) -> _Tariff | None:
        for one in self._own:
            if fnmatchcase(model.lower(), one.pattern.lower()):
                return _own_tariff(one)
        kind, base_url = self._accounts.get(provider, (provider, ""))
        by_type = _GENAI_PROVIDERS.get(kind, kind)
        return _genai_tariff(model, hour, url=base_url) or _genai_tariff(model, hour, provider=by_type)


def _cost(tariff: _Tariff, usage: TokenUsage) -> Cost:
    whole = usage.input + usage.cache_read + usage.cache_write
    rates = next(rates for above, rates in tariff.tiers if whole > above or not above)
    hour = usage.extra.get(_ONE_HOUR, 0)
    long_kept = min(hour, usage.cache_write) if isinstance(hour, int) else 0
    parts = (
        usage.input * rates.input
        + usage.output * rates.output
        + usage.cache_read * rates.cache_read
        + (usage.cache_write - long_kept) * rates.cache_write
        + long_kept * rates.cache_write_1h
    )
    return Cost((parts + _PARTS // 2) // _PARTS, rates.price)


def _own_tariff(own: OwnPrice) -> _Tariff:
    given = (own.input, own.output, own.cache_read, own.cache_write)
    exact = (None if one is None else Decimal(str(one)) for one in given)
    return _Tariff([(0, _rates("config", own.pattern, *exact))])


def _genai_tariff(model: str, hour: int, *, url: str | None = None, provider: str | None = None) -> _Tariff | None:
    from genai_prices import Usage, calc_price  # 0.1 s and some megabytes: not before there is something to pay

    at = datetime.fromtimestamp(hour * 3600, UTC)
    try:
        if url is not None:
            found = calc_price(Usage(), model, provider_api_url=url, genai_request_timestamp=at)
        else:
            found = calc_price(Usage(), model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:
        return None
    price: Any = found.model_price
    kinds = [price.input_mtok, price.output_mtok, price.cache_read_mtok, price.cache_write_mtok]
    if kinds[0] is None and kinds[1] is None:
        return None
    starts = {tier.start for one in kinds for tier in getattr(one, "tiers", ())}
    every = [*kinds, price.cache_write_1h_mtok]
    return _Tariff([
        (start, _rates("genai-prices", found.model.id, *(_at(one, start) for one in every)))
        for start in sorted({0, *starts}, reverse=True)
    ])  # fmt: skip


def _rates(
    source: str,
    model: str,
    whole: Decimal | None,
    output: Decimal | None,
    read: Decimal | None = None,
    write: Decimal | None = None,
    long_kept: Decimal | None = None,
) -> _Rates:
    """A kind of token without a price of its own costs what the kind costs that it is a part of."""
    whole, output = whole or Decimal(0), output or Decimal(0)
    read, write = whole if read is None else read, whole if write is None else write
    long_kept = write if long_kept is None else long_kept
    named = {"input": whole, "output": output, "cache_read": read, "cache_write": write}
    price = {"source": source, "model": model, **{name: f"{value:f}" for name, value in named.items()}}
    whole_, output_, read_, write_, long_ = (int(value * _PARTS) for value in (*named.values(), long_kept))
    return _Rates(whole_, output_, read_, write_, long_, price)


def _at(price: Any, above: int) -> Decimal | None:
    """A price where the input is larger than `above`: a plain one, or the highest tier that has begun by then."""
    if price is None or isinstance(price, Decimal):
        return price
    begun = [tier.price for tier in price.tiers if tier.start <= above]  # in ascending order
    found: Decimal = begun[-1] if begun else price.base
    return found
