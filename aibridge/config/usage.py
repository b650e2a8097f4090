"""The settings of what may be used, and of what it costs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from aibridge.config.rules import Count, Dollars, EmptyIsNone, SomeDollars
from aibridge.config.section import Section


class OwnPrice(Section):
    """What a model costs here, in US dollars a million tokens."""

    input: Dollars = Field(description="Dollars for a million input tokens.")
    output: Dollars = Field(description="Dollars for a million output tokens.")
    cache_read: Dollars | None = Field(
        default=None, description="Dollars for a million input tokens read from the cache. `null`: as input."
    )
    cache_write: Dollars | None = Field(
        default=None, description="Dollars for a million input tokens written to the cache. `null`: as input."
    )


class Limit(Section):
    """What actors may use. All limits that match an interception hold for it."""

    actor: str = Field(default="*", description="Whose requests count: a pattern of actors' names.")
    provider: str = Field(default="*", description="To which providers: a pattern of their names in this file.")
    model: str = Field(default="*", description="For which models: a pattern of the names that clients ask for.")
    per: Literal["actor", "all"] = Field(
        default="actor", description="Whether each `actor` has the limit alone, or `all` have it together."
    )
    requests_per_minute: Annotated[Count | None, EmptyIsNone] = Field(
        default=None, description="Clients' requests in a minute; beyond that 429. `null`: any number."
    )
    tokens_per_minute: Annotated[Count | None, EmptyIsNone] = Field(
        default=None, description="Tokens in a minute, cached ones too; beyond that 429. `null`: any number."
    )
    dollars_per_day: Annotated[SomeDollars | None, EmptyIsNone] = Field(
        default=None, description="US dollars in a day (UTC); beyond that 403. `null`: any amount."
    )
    dollars_per_month: Annotated[SomeDollars | None, EmptyIsNone] = Field(
        default=None, description="US dollars in a month (UTC); beyond that 403. `null`: any amount."
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if not any((self.requests_per_minute, self.tokens_per_minute, self.dollars_per_day, self.dollars_per_month)):
            raise ValueError(
                "limits nothing: it needs requests_per_minute, tokens_per_minute, dollars_per_day or dollars_per_month"
            )
        return self
