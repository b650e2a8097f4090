from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from aibridge.model import Actor
from aibridge.ports import EmptyToolbox, Toolboxes
from aibridge.testing.mcp_server import FakeMCPServer
from aibridge.tools.settings import ServerSettings, ToolSettings
from aibridge.tools.toolbox import ServerState, ToolServers
from tests.tools.support import ME, StoppedClock, call_of, http, run, stdio, steady
from tests.waiting import eventually

START = datetime(2026, 11, 20, tzinfo=UTC)


def names(servers: ToolServers, actor: Actor = ME, wanted: str = "") -> list[str]:
    return [tool.name for tool in servers.offer(actor, wanted).tools]


def ticking() -> Iterator[datetime]:
    now = START
    while True:
        yield now
        now += timedelta(seconds=1)


def test_it_is_where_toolboxes_come_from() -> None:
    servers: Toolboxes = ToolServers([])
    assert isinstance(servers.offer(ME, ""), EmptyToolbox)


def test_a_name_configured_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'own' is configured twice"):
        ToolServers([stdio(), stdio()])


async def test_a_real_server_over_stdio_tells_the_time() -> None:
    time = ServerSettings("time", "stdio", command=sys.executable, args=["-m", "mcp_server_time"])
    async with ToolServers([time]) as servers:
        assert await servers.settled(30)
        box = servers.offer(ME, "")
        assert [tool.name for tool in box.tools] == ["bmcp_time_convert_time", "bmcp_time_get_current_time"]
        assert list(servers.known()) == list(box.tools)
        assert {(tool.server, tool.server_url) for tool in box.tools} == {("time", sys.executable)}
        result = await run(box, "get_current_time", {"timezone": "Europe/Vienna"})
        assert '"timezone": "Europe/Vienna"' in result.text
        assert result.error is None
        assert (await run(box, "get_current_time", {"timezone": "Nowhere"})).error is not None


async def test_tools_of_several_servers_are_offered_by_name() -> None:
    async with FakeMCPServer() as one, FakeMCPServer() as two:
        for fake in (one, two):
            fake.tool("search", "found")
        two.tool("add")
        async with ToolServers([http(two.url, "two"), http(one.url, "one")], ToolSettings(prefix="p")) as servers:
            assert await servers.settled(10)
            assert names(servers) == ["p_one_search", "p_two_add", "p_two_search"]
            assert servers.states() == [
                ServerState("two", "connected", None, 2),
                ServerState("one", "connected", None, 1),
            ]


async def test_a_server_that_is_down_holds_up_neither_the_start_nor_the_others() -> None:
    clock = StoppedClock()
    async with FakeMCPServer() as up, FakeMCPServer() as down:
        up.tool("t")
        down.tool("t")
        down.go_down()
        servers = ToolServers([http(down.url, "down"), http(up.url, "up")], timing=steady(clock))
        async with servers:
            assert await servers.settled(10)
            assert names(servers) == ["bmcp_up_t"]
            assert servers.states()[0].state == "failed"
            assert servers.states()[0].reason
            assert (await run(servers.offer(ME, ""), "t")).text == "ok"
            await down.come_up()
            (await clock.next_pause())[1]()
            await eventually(lambda: servers.states()[0].state == "connected")
            assert names(servers) == ["bmcp_down_t", "bmcp_up_t"]


async def test_settled_says_when_the_time_did_not_suffice() -> None:
    async with ToolServers([stdio("mute")]) as servers:
        assert not await servers.settled(0.05)
        assert servers.states() == [ServerState("own", "connecting", None, 0)]


async def test_a_toolbox_stays_as_it_was_offered() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("old")
        async with ToolServers([http(fake.url)]) as servers:
            await servers.settled(10)
            await fake.listened()
            box = servers.offer(ME, "")
            fake.tool("new")
            await fake.change()
            await eventually(lambda: names(servers) == ["bmcp_web_new", "bmcp_web_old"])
            assert [tool.raw_name for tool in box.tools] == ["old"]
            assert (await run(box, "old")).text == "ok"


async def test_offers_are_the_same_object_while_nothing_changes() -> None:
    async with ToolServers([stdio()]) as servers:
        await servers.settled(10)
        assert servers.offer(ME, "").tools is servers.offer(Actor("you"), "").tools


async def test_a_server_is_offered_to_its_actors_alone_under_the_same_names() -> None:
    boss = Actor("boss")
    async with FakeMCPServer() as fake:
        fake.tool("star")
        fake.tool("hub_star")
        secret = http(fake.url, "git_hub", actors=frozenset({"boss"}))
        async with ToolServers([http(fake.url, "git"), secret]) as servers:
            await servers.settled(10)
            assert len(names(servers, boss)) == 4
            mine = names(servers, ME)
            assert len(mine) == 2
            assert set(mine) < set(names(servers, boss))


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("", ["bmcp_own_echo", "bmcp_web_a", "bmcp_web_b"]),
        ("  ", ["bmcp_own_echo", "bmcp_web_a", "bmcp_web_b"]),
        ("off", []),
        (" off ", []),
        ("web_*", ["bmcp_web_a", "bmcp_web_b"]),
        ("bmcp_web_a", ["bmcp_web_a"]),
        ("echo, b", ["bmcp_own_echo", "bmcp_web_b"]),
        ("*_[ae]", ["bmcp_web_a"]),
        ("WEB_*", []),
        ("nothing", []),
    ],
)
async def test_the_client_says_which_tools_it_wants(wanted: str, offered: list[str], two: ToolServers) -> None:
    assert names(two, wanted=wanted) == offered


@pytest.fixture
async def two() -> Any:
    """A server of our own with one tool and one on the web with two."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(FakeMCPServer())
        fake.tool("a")
        fake.tool("b")
        settings = [http(fake.url), stdio(allow="^echo$")]
        servers = await stack.enter_async_context(ToolServers(settings))
        await servers.settled(10)
        yield servers


async def test_calls_run_together_and_results_are_in_their_order() -> None:
    async with FakeMCPServer() as fake:
        met = asyncio.Barrier(3)

        async def meet(arguments: Mapping[str, Any]) -> str:
            await met.wait()  # returns only if all three calls are running at once
            return str(arguments["number"])

        fake.tool("meet", meet)
        clock = ticking()
        async with ToolServers([http(fake.url)], now=lambda: next(clock)) as servers:
            await servers.settled(10)
            box = servers.offer(ME, "")
            async with asyncio.timeout(10):
                results = await box.call([call_of(box.tools[0], {"number": number}) for number in (3, 1, 2)])
        assert [result.text for result in results] == ["3", "1", "2"]
        assert {result.called_at for result in results} == {START}
        completed = {result.completed_at for result in results if result.completed_at}
        assert completed == {START + timedelta(seconds=n) for n in (1, 2, 3)}


async def test_no_more_calls_run_than_may() -> None:
    async with FakeMCPServer() as fake:
        two, may_end = asyncio.Event(), asyncio.Event()
        running, most = 0, 0

        async def work(arguments: Mapping[str, Any]) -> str:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 2:
                two.set()
            await may_end.wait()
            running -= 1
            return "done"

        fake.tool("work", work)
        fake.tool("quick", "done")
        async with ToolServers([http(fake.url)], ToolSettings(parallel=2)) as servers:
            await servers.settled(10)
            box = servers.offer(ME, "*work")
            async with asyncio.TaskGroup() as group:
                working = group.create_task(box.call([call_of(box.tools[0]) for _ in range(10)]))
                await two.wait()
                other = servers.offer(ME, "*quick")  # its answer comes when all that was sent before it is there
                assert [result.text for result in await other.call([call_of(other.tools[0])])] == ["done"]
                may_end.set()
            results = working.result()
        assert [result.text for result in results] == ["done"] * 10
        assert most == 2


async def test_a_call_that_fails_leaves_the_others_alone(two: ToolServers) -> None:
    box = two.offer(ME, "")
    echo, a, _ = box.tools
    foreign = replace(a, raw_name="delete_everything")
    broken = replace(call_of(echo), input=None)
    results = await box.call(
        [
            call_of(echo, {"text": "hello"}),
            call_of(None, name="get_weather"),
            broken,
            call_of(foreign),
            call_of(a),
        ]
    )
    assert [result.error for result in results] == [
        None,
        "there is no tool 'get_weather'",
        "the arguments of bmcp_own_echo are not a JSON object",
        "there is no tool 'bmcp_web_a'",
        None,
    ]
    assert all(result.called_at and result.completed_at for result in results)


async def test_no_calls_give_no_results(two: ToolServers) -> None:
    assert await two.offer(ME, "").call([]) == []


async def test_a_cancelled_caller_cancels_all_its_calls() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("slow", lambda _: asyncio.Event().wait())  # type: ignore[arg-type, return-value]  # it never returns
        async with ToolServers([http(fake.url)]) as servers:
            await servers.settled(10)
            box = servers.offer(ME, "")
            calling = asyncio.create_task(box.call([call_of(box.tools[0])] * 3))
            await fake.called(3)
            calling.cancel()
            async with asyncio.timeout(1):
                with pytest.raises(asyncio.CancelledError):
                    await calling
                for call in fake.calls:
                    await call.ended.wait()
            assert {call.outcome for call in fake.calls} == {"cancelled"}


async def test_nothing_of_the_request_but_the_arguments_reaches_a_server() -> None:
    """The actor, its metadata, the call's ids: none of them is passed on, so no credential can be."""
    async with FakeMCPServer() as fake:
        fake.tool("t")
        async with ToolServers([http(fake.url, headers={"x-own": "1"})]) as servers:
            await servers.settled(10)
            box = servers.offer(Actor("canary-actor", metadata={"token": "canary-token"}), "")
            await run(box, "t", {"x": 1})
        (call,) = fake.calls
        assert call.arguments == {"x": 1}
        assert "canary" not in str(call.headers)
        assert "authorization" not in call.headers


async def test_records_show_no_secret_of_an_address() -> None:
    async with FakeMCPServer() as fake:
        fake.tool("t")
        async with ToolServers([http(fake.url.replace("://", "://u:canary@") + "?key=canary")]) as servers:
            await servers.settled(10)
            (tool,) = servers.offer(ME, "").tools
        assert tool.server_url == fake.url


async def test_nothing_is_left_running_after_the_close() -> None:
    before = asyncio.all_tasks()
    settings = [stdio(), stdio("ignores-eof", name="slow"), http("http://127.0.0.1:1/mcp")]
    async with ToolServers(settings) as servers:
        await servers.settled(10)
        await run(servers.offer(ME, ""), "echo")
    assert asyncio.all_tasks() <= before


async def test_what_follows_shares_the_sessions_of_servers_that_have_not_changed() -> None:
    async with FakeMCPServer() as kept, FakeMCPServer() as changed, FakeMCPServer() as added:
        for fake in (kept, changed, added):
            fake.tool("search", "found")
        async with ToolServers([http(kept.url, "kept"), http(changed.url, "changed")]) as old:
            assert await old.settled(10)
            new = ToolServers(
                [http(kept.url, "kept"), http(changed.url, "changed", timeout=5), http(added.url, "added")],
                ToolSettings(prefix="new"),
                before=old,
            )
            assert len(new.parts & old.parts) == 1
            assert new.new_parts == new.parts - old.parts
            await new.start()
            assert await new.settled(10)
            new.take_over()
            assert names(new) == ["new_added_search", "new_changed_search", "new_kept_search"]
            assert names(old) == ["bmcp_changed_search", "bmcp_kept_search"]
            assert (await run(new.offer(ME, "kept_*"), "search")).text == "found"

            kept.tool("more", "found")
            await kept.change()
            await eventually(lambda: "new_kept_more" in names(new))
            for part in new.new_parts:
                await part.aclose()


async def test_another_limit_of_results_makes_another_session() -> None:
    old = ToolServers([stdio()], ToolSettings(max_result_chars=10))
    alike = ToolServers([stdio()], ToolSettings(max_result_chars=10, prefix="x"), before=old)
    assert len(alike.parts & old.parts) == 1
    assert not ToolServers([stdio()], ToolSettings(max_result_chars=20), before=old).parts & old.parts
