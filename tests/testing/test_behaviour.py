import httpx2
import pytest

from aibridge.testing import Answer, FakeOpenAI, Misuse, Request, answer
from tests.testing.conftest import Connect


async def say(connect: Connect, provider: FakeOpenAI, text: str = "hello") -> str | None:
    made = await connect(provider).chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return made.choices[0].message.content


async def test_a_function_answers_each_request(connect: Connect) -> None:
    def echo(request: Request) -> Answer:
        return answer(f"You said {request.messages[-1]['content']}.")

    async with FakeOpenAI(echo) as provider:
        assert await say(connect, provider, "hi") == "You said hi."


async def test_a_coroutine_function_answers_too(connect: Connect) -> None:
    async def greet(request: Request) -> Answer:
        return answer("Hello")

    async with FakeOpenAI(greet) as provider:
        assert await say(connect, provider) == "Hello"


async def test_a_script_answers_in_turn_and_may_hold_functions(connect: Connect) -> None:
    async with FakeOpenAI([answer("one"), lambda request: answer(request.model)]) as provider:
        assert [await say(connect, provider), await say(connect, provider)] == ["one", "m"]


async def test_one_answer_serves_every_request(connect: Connect) -> None:
    async with FakeOpenAI(answer("Hello")) as provider:
        assert [await say(connect, provider), await say(connect, provider)] == ["Hello", "Hello"]


async def test_an_exhausted_script_is_a_misuse(http: httpx2.AsyncClient) -> None:
    with pytest.raises(Misuse, match="exhausted after 1 answers, and there came <Request POST /v1/chat/completions"):
        async with FakeOpenAI([answer("one")]) as provider:
            await post_twice(http, provider)
    assert [request.json for request in provider.requests] == [{"n": 1}, {"n": 2}]


async def post_twice(http: httpx2.AsyncClient, provider: FakeOpenAI) -> None:
    first = await http.post(f"{provider.url}/chat/completions", json={"n": 1})
    second = await http.post(f"{provider.url}/chat/completions", json={"n": 2})
    assert (first.status_code, second.status_code) == (200, 500)


async def test_no_handler_is_a_misuse(http: httpx2.AsyncClient) -> None:
    with pytest.raises(Misuse, match="set `handler`"):
        async with FakeOpenAI() as provider:
            await http.post(f"{provider.url}/responses", json={})


async def test_the_handler_may_be_replaced_at_any_time(connect: Connect) -> None:
    async with FakeOpenAI() as provider:
        provider.handler = script = [answer("one")]
        assert await say(connect, provider) == "one"
        provider.handler = script
        assert await say(connect, provider) == "one"
        assert provider.handler == script
