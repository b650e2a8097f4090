"""What clients see of limits, through a whole gateway, on both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aibridge.model import TokenUsage as Tokens
from aibridge.ports import NoBudgets
from aibridge.testing import Answer, Error, Request, Usage, answer, call, reply
from tests.budgets.parts import Clock, limit, limited
from tests.databases import Database
from tests.gateway.serving import Clock as ClockTool
from tests.gateway.serving import gateway

ROUTES = {
    "chat": "/openai/v1/chat/completions",
    "responses": "/openai/v1/responses",
    "messages": "/anthropic/v1/messages",
}
USED = Usage(input=50, output=10)  # sixty cents


def body(**more: Any) -> dict[str, Any]:
    words = [{"role": "user", "content": "Hi"}]
    return {"model": "gpt-6", "messages": words, "max_tokens": 1, **more}


def response_body(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-6", "input": "Hi", "max_output_tokens": 1, **more}


def looks_for_ever(request: Request) -> Answer:
    return answer(call("bmcp_time_now", {}), usage=USED)


async def test_beyond_its_requests_a_minute_a_client_is_told_when_to_come_back(database: Database) -> None:
    async with (
        limited(database.url, limit(requests_per_minute=1)) as house,
        gateway(answer("Hi", usage=USED), budgets=house.budgets) as served,
    ):
        assert (await served.ask()).status_code == 200
        refused = await served.ask()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert refused.json()["error"] == {
            "message": "The limit mine (requests_per_minute) is reached for anonymous: 1 requests of 1 requests used. "
            "It resets at 2026-11-20 12:01 UTC.",
            "type": "rate_limit_error",
            "code": "rate_limit_exceeded",
            "param": None,
        }
        assert len(served.provider.requests) == 1
        assert (served.ledger.outcomes[1].status, served.ledger.outcomes[1].error_type) == ("failed", "rate_limited")
        house.clock.later(seconds=30)
        assert (await served.ask()).status_code == 200


async def test_money_that_is_gone_is_403_until_the_day_is_over(database: Database) -> None:
    async with (
        limited(database.url, limit(dollars_per_day=50)) as house,
        gateway(answer("Hi", usage=USED), budgets=house.budgets) as served,
    ):
        assert (await served.ask(max_tokens=1)).status_code == 200
        refused = await served.ask(max_tokens=1)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "budget_exceeded")
        assert "$0.60 of $0.50 used. It resets at 2026-11-21 00:00 UTC." in refused.json()["error"]["message"]
        house.clock.later(hours=12)
        assert (await served.ask(max_tokens=1)).status_code == 200
        assert len(served.ledger.of(Tokens)) == 2, "a round that never went upstream has used nothing"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("dialect", "kind"), [("chat", "chat"), ("responses", "chat"), ("messages", "messages")])
@pytest.mark.only_on("sqlite")
async def test_each_dialect_is_told_in_its_own_form(database: Database, dialect: str, kind: str, stream: bool) -> None:
    async with (
        limited(database.url, limit("none", dollars_per_month=1, model="gpt-5*")) as house,
        gateway(answer("Hi"), budgets=house.budgets) as served,
    ):
        asked = response_body if dialect == "responses" else body
        refused = await served.client.post(ROUTES[dialect], json=asked(model="GPT-5-unheard-of", stream=stream))
        assert (refused.status_code, refused.headers["content-type"]) == (403, "application/json")
        error = refused.json()["error"]
        assert "no price is known for the model 'GPT-5-unheard-of'" in error["message"]
        if kind == "chat":
            assert (error["type"], error["code"]) == ("rate_limit_error", "model_unpriced")
        else:
            assert (refused.json()["type"], error["type"]) == ("error", "permission_error")
        assert [account.limit for account in house.refused] == ["none"]


async def test_a_looped_request_overspends_by_one_round_at_most(database: Database) -> None:
    async with (
        limited(database.url, limit(dollars_per_day=100)) as house,
        gateway(looks_for_ever, toolbox=ClockTool(), budgets=house.budgets) as served,
    ):
        broken_off = await served.ask(max_tokens=1)
        assert len(served.provider.requests) == 2, "sixty cents, and sixty more"
        assert broken_off.status_code == 403
        assert "$1.20 of $1.00 used" in broken_off.json()["error"]["message"]
        assert (await served.ask(max_tokens=1)).status_code == 403
        assert len(served.provider.requests) == 2
    assert database.query("SELECT spent, reserved FROM aibridge_budgets") == [{"spent": 1_200_000, "reserved": 0}]


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.only_on("sqlite")
async def test_in_a_later_round_a_stream_is_told_in_band(database: Database, dialect: str) -> None:
    def looks(request: Request) -> Answer:
        return answer("Let me look.", call("bmcp_time_now", {}), usage=USED)

    asked = response_body(stream=True) if dialect == "responses" else body(stream=True)
    async with (
        limited(database.url, limit(dollars_per_day=50)) as house,
        gateway(looks, toolbox=ClockTool(), budgets=house.budgets) as served,
    ):
        told = await served.client.post(ROUTES[dialect], json=asked)
        assert told.status_code == 200
        data = [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: {")]
        assert "The limit mine (dollars_per_day) is reached" in json.dumps(data[-1])
        assert "Let me look." in told.text


async def test_what_is_passed_through_is_a_request_too(database: Database) -> None:
    limits = (
        limit("all", requests_per_minute=2),
        limit("model", model="gpt-*", requests_per_minute=1),
        limit("money", dollars_per_day=0, tokens_per_minute=0),
        limit("other", provider="anthropic", requests_per_minute=0),
    )
    async with (
        limited(database.url, *limits) as house,
        gateway(routes={"POST /embeddings": reply({"ok": True})}, budgets=house.budgets) as served,
    ):
        asked = {"model": "gpt-e", "input": "Hi"}
        told = [await served.client.post("/openai/v1/embeddings", json=asked) for _ in range(3)]
        assert [one.status_code for one in told] == [200, 200, 429]
        assert told[2].headers["retry-after"] == "30"
        assert "The limit all (requests_per_minute) is reached for anonymous: 2" in told[2].json()["error"]["message"]
        assert [account.limit for account in house.refused] == ["all"]
        assert len(served.provider.requests) == 2
        house.clock.later(seconds=30)
        assert (await served.client.post("/openai/v1/embeddings", json={})).status_code == 200
    told_of = database.query("SELECT limit_name, spent FROM aibridge_budgets")
    assert told_of == [{"limit_name": "all", "spent": 1}]


@pytest.mark.only_on("sqlite")
async def test_what_is_passed_through_and_what_is_not_are_counted_together(database: Database) -> None:
    async with (
        limited(database.url, limit(requests_per_minute=1)) as house,
        gateway(answer("Hi"), routes={"GET /models": reply({"data": []})}, budgets=house.budgets) as served,
    ):
        assert (await served.ask()).status_code == 200
        refused = await served.client.get("/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_two_gateways_share_what_there_is(database: Database) -> None:
    clock, half = Clock(), limit(dollars_per_month=110, per="all")
    async with (
        limited(database.url, half, clock=clock) as one,
        limited(database.url, half, clock=clock) as other,
        gateway(answer("Hi", usage=USED), budgets=one.budgets) as first,
        gateway(answer("Hi", usage=USED), budgets=other.budgets) as second,
    ):
        assert (await first.ask(max_tokens=1)).status_code == 200
        await one.budgets.flush()
        assert (await second.ask(max_tokens=1)).status_code == 200
        await other.budgets.flush()
        refused = await first.ask(max_tokens=1)
        assert refused.status_code == 403
        assert "reached for all together: $1.20 of $1.10 used" in refused.json()["error"]["message"]
        clock.later(days=11)
        assert (await second.ask(max_tokens=1)).status_code == 200


async def test_where_a_round_comes_to_nothing_nothing_is_used(database: Database) -> None:
    async with (
        limited(database.url, limit(dollars_per_day=50, tokens_per_minute=1000)) as house,
        gateway(Error(400, "no"), budgets=house.budgets) as served,
    ):
        assert (await served.ask(max_tokens=40)).status_code == 400
    assert {(row["spent"], row["reserved"]) for row in database.query("SELECT * FROM aibridge_budgets")} == {(0, 0)}


class Ended(NoBudgets):
    """Limits nothing, and notes each interception's end."""

    ends = 0

    def end(self) -> None:
        self.ends += 1


async def test_a_budget_is_told_of_the_end_whatever_end_it_is() -> None:
    budgets = Ended()
    async with gateway([answer("Hi"), Error(400, "no")], budgets=budgets) as served:
        await served.ask()
        await served.ask()
        assert budgets.ends == 2
