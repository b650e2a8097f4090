"""The request path: the bytes of a connection, from the HTTP parser to the gateway's routes, and what it answers."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from aibridge.gateway.connection import Connection
from aibridge.gateway.identity import Anonymous
from aibridge.gateway.routes import Gateway
from aibridge.gateway.services import Limits, Services
from aibridge.model import Actor, Target
from aibridge.ports import NoRecall, NoRecorder, Toolbox, Unobserved, Upstream
from aibridge.providers import ANTHROPIC, OPENAI, Provider
from tests.dialects.chat import Chat
from tests.dialects.messages import MessagesVoice
from tests.dialects.playing import CITY, RESULTS, TIME, Say, Voice
from tests.dialects.responses import ResponsesVoice
from tests.fuzz.bounds import bounded, watched
from tests.fuzz.dice import Dice
from tests.fuzz.lines import HEADERS, METHODS, PATHS
from tests.fuzz.mutate import ODD, dumped, mutated
from tests.twins import Answer, ScriptedToolbox, ScriptedUpstream

KEY = b"sk-canary-0123456789abcdef"
VOICES: dict[str, Voice] = {
    "/v1/chat/completions": Chat(),
    "/v1/responses": ResponsesVoice(),
    "/v1/messages": MessagesVoice(),
}

# Where anything may be sent: nothing that a caller sends may lead elsewhere.
_UPSTREAM = re.compile(
    r"/chat/completions|/responses(/.*)?|/embeddings|/models(/.*)?|/conversations(/.*)?"
    r"|/v1/messages(/count_tokens)?|/v1/models(/.*)?|/api/hello|/api/event_logging(/.*)?"
)
_NEVER_SENT = re.compile(
    rb"(?i)(host|cookie|te|connection|transfer-encoding|upgrade|authorization|x-api-key|x-forwarded-.*|x-aibridge-.*|proxy-.*)"
)


@dataclass
class Upstreams:
    """Providers that answer in their dialect, and notice what they should never be sent."""

    targets: list[Target] = field(default_factory=list)

    def bind(self, target: Target) -> Upstream:
        assert _UPSTREAM.fullmatch(target.path), target.path
        assert ".." not in target.path.split("/"), target.path
        assert "%" not in target.path, target.path
        assert not [name for name, _ in target.headers if _NEVER_SENT.fullmatch(name)]
        self.targets.append(target)
        voice = next((voice for path, voice in VOICES.items() if path.endswith(target.path)), None)
        if voice is None:
            return ScriptedUpstream([Answer([b"{}"], headers=((b"content-type", b"application/json"),))])
        said = voice.answer(Say("Hello there"), streaming=True)
        return ScriptedUpstream([Answer([said])] * 8)


class Toolboxes:
    """Two tools for everybody who wants any."""

    def offer(self, actor: Actor, wanted: str) -> Toolbox:
        return ScriptedToolbox((TIME, CITY), RESULTS)


class Wire(asyncio.Transport):
    """A client's end of a connection, without a socket."""

    def __init__(self) -> None:
        super().__init__({"socket": None, "peername": ("127.0.0.1", 9), "sockname": ("127.0.0.1", 8080)})
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def write_eof(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_protocol(self) -> asyncio.BaseProtocol:
        raise NotImplementedError


class House:
    """A gateway between twins, with an event loop of its own."""

    def __init__(self) -> None:
        self.upstreams = Upstreams()
        self.failures: list[BaseException] = []
        services = Services(
            Anonymous(), self.upstreams, Toolboxes(), NoRecorder(), NoRecall(), Unobserved(), lambda: datetime.now(UTC)
        )
        providers = [
            (Provider("openai", OPENAI, "http://127.0.0.1:9", api_keys=(KEY.decode(),)), 5.0),
            (Provider("anthropic", ANTHROPIC, "http://127.0.0.1:9", api_keys=(KEY.decode(),)), 5.0),
        ]
        self._gateway = Gateway(services, Limits(65_536, 15, 4, 128), providers, {})
        self._config = Config(
            self._app, interface="asgi3", http=Connection, ws="none", lifespan="off", log_config=None, access_log=False
        )
        self._config.load()
        self._loop = asyncio.new_event_loop()

    def serve(self, pieces: Sequence[bytes]) -> bytes:
        """What a client that sends these pieces, and then leaves, is answered."""
        self.upstreams.targets.clear()
        self.failures.clear()
        return self._loop.run_until_complete(self._serve(pieces))

    async def _serve(self, pieces: Sequence[bytes]) -> bytes:
        state, wire = ServerState(), Wire()
        connection = Connection(self._config, state, {}, self._loop)
        connection.connection_made(wire)
        for piece in pieces:
            if wire.closed:
                break
            connection.data_received(piece)
        await asyncio.sleep(0)
        for _ in range(200):  # turns of the loop: nothing here waits for anything but them
            if not any(not task.done() for task in state.tasks):
                break
            await asyncio.sleep(0)
        connection.connection_lost(None)
        if state.tasks:
            _, stuck = await asyncio.wait(state.tasks, timeout=1)
            assert not stuck, "a request outlives its client"
        return b"".join(wire.written)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._gateway(scope, receive, send)
        except Exception as error:
            self.failures.append(error)
            raise


_house: House | None = None


def requests(data: bytes) -> None:
    """One connection: raw bytes, or requests that are nearly right."""
    global _house
    _house = _house or House()
    dice = Dice(data)
    size = dice.pick([0, 0, 0, 64, 7])
    sent = dice.rest() if dice.one_in(4) else b"".join(_request(dice) for _ in range(1 + dice.below(2)))
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)] if size else [sent]
    with watched(len(sent)):
        answered = _house.serve(pieces)
    if _house.failures:
        raise _house.failures[0]
    bounded(len(sent), len(answered))
    assert KEY not in answered
    _well_formed(answered)


def _request(dice: Dice) -> bytes:
    path = dice.pick(PATHS)
    if dice.one_in(8):
        path = path[: dice.below(20)] + dice.take(dice.below(6)).decode("latin-1") + path[-dice.below(20) :]
    voice = next((voice for end, voice in VOICES.items() if path.endswith(end)), None)
    body = b"" if voice is None else _json(dice, voice.request(streaming=dice.one_in(2)))
    headers = [HEADERS[0], *(dice.pick(HEADERS) for _ in range(dice.below(4)))]
    if dice.one_in(8):
        headers.append(dice.take(dice.below(40)))
    if dice.one_in(8):
        headers.append(str(dice.pick(ODD)).encode(errors="replace"))
    if dice.one_in(6):
        headers.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        headers.append(b"Content-Length: %d" % (len(body) + dice.pick([0] * 14 + [1, -1])))
    line = f"{dice.pick(METHODS)} {path} HTTP/1.1".encode("latin-1")
    return b"\r\n".join([line, *headers, b"", body])


def _json(dice: Dice, body: bytes) -> bytes:
    return dumped(dice, mutated(dice, json.loads(body)))


class _Answers:
    """What an HTTP client makes of the answers."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.statuses: list[int] = []

    def on_headers_complete(self) -> None:
        self.statuses.append(self.parser.get_status_code())


def _well_formed(answered: bytes) -> None:
    """Fails where an HTTP client could not read the answers, or one of them is a fault of ours."""
    answers = _Answers()
    for answer in re.split(rb"(?=HTTP/1\.1 \d{3} )", answered):  # a HEAD's answer has a length and no body
        if answer:
            answers.parser = httptools.HttpResponseParser(answers)
            answers.parser.feed_data(answer)
    assert 500 not in answers.statuses, answered
