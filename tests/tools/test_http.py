from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from aibridge.testing.serve import serving
from aibridge.tools.http import SESSION_LOST, McpHttp, environment_decides, without_userinfo


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://host/mcp?key=1", "https://host/mcp?key=1"),
        ("https://user:pass@host:1/mcp?key=1#f", "https://host:1/mcp?key=1#f"),
        ("https://user@host/", "https://host/"),
        ("https://a%40b:p%3Aq@host", "https://host"),
    ],
)
def test_the_user_is_taken_out_of_a_url(url: str, bare: str) -> None:
    assert without_userinfo(url)[0] == bare
    assert (without_userinfo(url)[1] is None) == (url == bare)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        if scope["type"] == "http":
            response = answers[str(scope["path"])](Request(scope))
            await response(scope, receive, send)  # type: ignore[arg-type]  # as ASGI has them

    async with serving(app) as base:  # type: ignore[arg-type]  # as ASGI has it
        yield base


answers: dict[str, Callable[[Request], Response]] = {
    "/echo": lambda request: JSONResponse(dict(request.headers)),
    "/gone": lambda request: Response(status_code=404),
    "/broken": lambda request: PlainTextResponse("oh", status_code=500),
    "/refusal": lambda request: JSONResponse({"error": {"code": -32600, "message": "no"}}, status_code=400),
}


async def test_answers_are_asked_for_uncompressed(url: str) -> None:
    async with McpHttp(headers={"x-key": "1"}) as http:
        headers = (await http.post(f"{url}/echo")).json()
    assert (headers["accept-encoding"], headers["x-key"]) == ("identity", "1")


async def test_a_forgotten_session_has_a_code_of_its_own(url: str) -> None:
    troubles: list[int] = []
    async with McpHttp(on_trouble=lambda: troubles.append(1)) as http:
        forgotten = await http.post(f"{url}/gone", headers={"mcp-session-id": "1"})
        assert troubles
        unknown = await http.post(f"{url}/gone")
    assert forgotten.json()["error"] == {"code": SESSION_LOST, "message": "the server has forgotten the session"}
    assert unknown.json()["error"]["message"] == "the server answered 404 Not Found"
    assert unknown.status_code == 404


async def test_an_error_in_json_rpc_stays_as_it_is(url: str) -> None:
    async with McpHttp() as http:
        refusal = await http.post(f"{url}/refusal")
    assert refusal.json() == {"error": {"code": -32600, "message": "no"}}


async def test_other_requests_than_calls_get_what_the_server_answered(url: str) -> None:
    troubles: list[int] = []
    async with McpHttp(on_trouble=lambda: troubles.append(1)) as http:
        broken = await http.get(f"{url}/broken")
        assert (broken.status_code, broken.text, len(troubles)) == (500, "oh", 1)
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://127.0.0.1:1/")
    assert len(troubles) == 2


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx2.ConnectTimeout("to http://u:secret@host"), "the server did not accept a connection within 10 s"),
        (httpx2.ConnectError("to http://u:secret@host"), "the server can't be reached"),
        (httpx2.ReadError("from http://u:secret@host"), "the connection broke (ReadError)"),
    ],
)
async def test_a_request_that_could_not_be_made_is_answered_with_the_reason(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(httpx2.AsyncClient, "send", fail)
    async with McpHttp() as http:
        assert (await http.post("http://host/")).json()["error"]["message"] == message


@pytest.mark.parametrize(
    ("environment", "url", "decides"),
    [
        ({}, "https://host/mcp", False),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "https://host/mcp", True),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://host/mcp", False),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "host"}, "https://host/mcp", False),
        ({"ALL_PROXY": "http://proxy:3128"}, "http://host/mcp", True),
        ({"SSL_CERT_FILE": "/ca.pem"}, "https://host/mcp", True),
        ({"SSL_CERT_DIR": "/certs"}, "https://host/mcp", True),
        ({"SSL_CERT_FILE": "/ca.pem"}, "http://host/mcp", False),
    ],
)
def test_the_environment_has_a_say_by_proxies_and_authorities(
    environment: dict[str, str], url: str, decides: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", environment)
    assert environment_decides(url) is decides
