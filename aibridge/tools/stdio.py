"""A server that is a command of ours, spoken to over its standard input and output, a JSON message a line.

Beside what the SDK's own transport does, a line has a limit, what is no message is passed over, standard error goes to
our log line by line, and the end of the process is told with its status and its last words.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from aibridge.tools.words import one_line

logger = logging.getLogger(__name__)

Streams = tuple[Any, Any]
"""Where messages are read and written. The SDK keeps the types to itself."""

MAX_LINE_BYTES = 32 * 1024 * 1024
EOF_SECONDS = 2.0  # for the server to end by itself when its input ends
TERM_SECONDS = 1.0  # … after SIGTERM
KILL_SECONDS = 1.0  # … to be gone after SIGKILL
LAST_WORDS_SECONDS = 0.5  # for what it wrote before it ended to be read


@asynccontextmanager
async def stdio_streams(
    command: str, args: Sequence[str], env: Mapping[str, str], *, on_end: Callable[[str], None]
) -> AsyncGenerator[Streams]:
    """Starts the command and yields its messages. On leaving, it and its children are gone within 4 s.

    Its environment is a minimal one (PATH, HOME …) with `env` added. `on_end` hears why there will be no more messages.
    Raises OSError where it can't be started.
    """
    with anyio.CancelScope(shield=True):  # a cancellation in the midst of starting would lose the process
        process, transport = await _start(command, args, {**get_default_environment(), **env})
    inward, received = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outward, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    server = _Server(process, on_end)
    try:
        async with inward, received, outward, to_send, anyio.create_task_group() as tasks:
            tasks.start_soon(server.read, inward)
            tasks.start_soon(server.write, to_send)
            tasks.start_soon(server.follow_errors)
            yield received, outward
            tasks.cancel_scope.cancel()
    finally:
        try:
            with anyio.CancelScope(shield=True):
                await _stop(process)
        finally:
            transport.close()  # which also kills a process that outlived a cancelled stop


async def _start(
    command: str, args: Sequence[str], env: Mapping[str, str]
) -> tuple[Process, asyncio.SubprocessTransport]:
    """Starts the process at the head of a group of its own, so that its children can be ended with it."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: SubprocessStreamProtocol(MAX_LINE_BYTES, loop),
        command,
        *args,
        env=env,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    return Process(transport, protocol, loop), transport


class _Server:
    """The three pipes of a running server."""

    def __init__(self, process: Process, on_end: Callable[[str], None]) -> None:
        assert process.stdin and process.stdout and process.stderr  # they were asked for  # noqa: S101, PT018
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._on_end = on_end
        self._last_words = ""
        self._silent = anyio.Event()  # its standard error has been read to the end

    async def read(self, inward: ObjectSendStream[SessionMessage | Exception]) -> None:
        """Hands on every message until the output ends, which is the end of the connection."""
        async with inward:
            try:
                while line := await self._stdout.readline():
                    await _hand_on(line, inward)
            except ValueError:
                self._on_end(f"the server wrote a line of more than {MAX_LINE_BYTES} bytes")
            except anyio.BrokenResourceError:
                pass  # nobody reads any more: we are leaving
            else:
                self._on_end(await self._obituary())

    async def _obituary(self) -> str:
        if not await _gone(self._process, KILL_SECONDS):
            return "the server closed its output"
        with anyio.move_on_after(LAST_WORDS_SECONDS):
            await self._silent.wait()
        status = f"the server ended with status {self._process.returncode}"
        return f"{status}: {self._last_words}" if self._last_words else status

    async def write(self, to_send: ObjectReceiveStream[SessionMessage]) -> None:
        """Writes every message. A server that no longer reads is found out by its silence."""
        with suppress(ConnectionError):
            async for message in to_send:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                self._stdin.write(text.encode() + b"\n")
                await self._stdin.drain()

    async def follow_errors(self) -> None:
        """Logs what the server writes to its standard error."""
        while chunk := await self._stderr.read(8192):
            for line in chunk.decode(errors="replace").splitlines():
                if text := one_line(line):
                    self._last_words = text
                    logger.debug("a server says on its standard error: %s", text)
        self._silent.set()


async def _hand_on(line: bytes, inward: ObjectSendStream[SessionMessage | Exception]) -> None:
    try:
        message = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        logger.debug("a server wrote a line that is no message: %s", one_line(line.decode(errors="replace")))
    else:
        await inward.send(message)


async def _stop(process: Process) -> None:
    """Ends the process: kindly, then firmly, then by force."""
    if process.stdin is not None:
        process.stdin.close()
    if await _gone(process, EOF_SECONDS):
        return
    for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if await _gone(process, seconds):
            return
    logger.warning("the server's process %d is still there after SIGKILL", process.pid)


async def _gone(process: Process, seconds: float) -> bool:
    """Whether the process ends within the time. Process.wait() would wait for its children's pipes as well."""
    deadline = anyio.current_time() + seconds
    while process.returncode is None and anyio.current_time() < deadline:  # noqa: ASYNC110  nothing tells of it alone
        await anyio.sleep(0.01)
    return process.returncode is not None
