"""Upstreams whose rounds are written down: those of the providers that have a `dump_dir`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import final

from aibridge.errors import AibridgeError
from aibridge.model import Headers, Target
from aibridge.ports import Response, Upstream, Upstreams
from aibridge.upstream.dump.transcript import Transcript

Begin = Callable[[Target, bytes], Transcript | None]
"""Begins to write down one request; None where it cannot be told."""


@final
class DumpedUpstreams:
    """All configured providers. `dumps`: how a round is written down, by provider; any other passes untouched."""

    def __init__(self, inner: Upstreams, dumps: Mapping[str, Begin]) -> None:
        self._inner = inner
        self._dumps = dumps

    def bind(self, target: Target) -> Upstream:
        """The way to one target."""
        upstream, begin = self._inner.bind(target), self._dumps.get(target.provider)
        return upstream if begin is None else _DumpedUpstream(upstream, begin, target)


class _DumpedUpstream:
    def __init__(self, inner: Upstream, begin: Begin, target: Target) -> None:
        self._inner = inner
        self._begin = begin
        self._target = target

    def open(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        """Sends one request, and writes it down."""
        transcript = self._begin(self._target, body)
        return self._inner.open(body) if transcript is None else _written(self._inner.open(body), transcript)


@asynccontextmanager
async def _written(opening: AbstractAsyncContextManager[Response], transcript: Transcript) -> AsyncIterator[Response]:
    heard: _Heard | None = None
    try:
        async with opening as response:
            transcript.head(response.status, response.headers)
            heard = _Heard(response, transcript)
            yield heard
    except BaseException as error:
        transcript.end(_told(heard, error))
        raise
    transcript.end(_told(heard, None))


def _told(heard: _Heard | None, error: BaseException | None) -> str:
    """How a round ended, in words. What cut the body counts, and not what was made of that further up."""
    if heard is not None:
        error = heard.error or error
    if isinstance(error, AibridgeError):
        return f"cut: {error.message}"
    if heard is not None and heard.whole:
        return "complete"
    why = "" if error is None else f" ({type(error).__name__})"
    return f"left before its end, for the client is gone or the time is up{why}"


class _Heard(AsyncIterator[bytes]):
    """An answer whose body is written down while it is read."""

    def __init__(self, inner: Response, transcript: Transcript) -> None:
        self._inner = inner
        self._transcript = transcript
        self._pieces: AsyncIterator[bytes]
        self.whole = False
        self.error: Exception | None = None

    @property
    def status(self) -> int:
        return self._inner.status

    @property
    def headers(self) -> Headers:
        return self._inner.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._pieces = aiter(self._inner)
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            self.whole = True
            raise
        except Exception as error:
            self.error = error
            raise
        self._transcript.body(piece)
        return piece
