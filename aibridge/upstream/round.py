"""One request and its response, from the first attempt to the last byte."""

from __future__ import annotations

import logging
import math
from types import TracebackType
from typing import Final

from msgspec.structs import replace

from aibridge.deadline import Deadline
from aibridge.errors import UpstreamError
from aibridge.model import Headers, Target
from aibridge.upstream import faults
from aibridge.upstream.answer import Answer
from aibridge.upstream.attempts import Attempts
from aibridge.upstream.failure import refused, unanswered
from aibridge.upstream.line import Line
from aibridge.upstream.redaction import Cleaner, Secrets, redact
from aibridge.upstream.response import Pieces, Response, alone, cleaned, header, plain, whole, without

logger = logging.getLogger(__name__)

MAX_ERROR_BYTES: Final = 1024 * 1024
"""What is read of an error's body; the rest is cut."""

_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))


class Round:
    """One request and its response, while somebody wants them."""

    __slots__ = ("_answer", "_body", "_line", "_target")

    def __init__(self, line: Line, target: Target, body: bytes) -> None:
        self._line = line
        self._target = target
        self._body = body
        self._answer: Answer

    async def __aenter__(self) -> Response:
        attempts = Attempts(self._line.policies, self._target)
        outcome = await self._judged(attempts, attempts.begin())
        while attempts.wait is not None:
            await self._pause(attempts)
            try:
                target = attempts.begin()
            except UpstreamError:
                break  # it is left alone by now: the last failure is what the caller is told
            outcome = await self._judged(attempts, target)
        self._body = b""  # it may be large, and the response long
        if isinstance(outcome, UpstreamError):
            try:
                raise outcome
            finally:
                del outcome  # or the error and this frame would keep one another
        return outcome if attempts.failure is None else self._refused(outcome, attempts)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._answer.close()

    async def _judged(self, attempts: Attempts, target: Target) -> Response | UpstreamError:
        """One attempt, and what is learnt of it."""
        try:
            response = await self._attempt(target)
        except faults.Redirected:
            attempts.dropped()
            raise
        except UpstreamError as error:
            attempts.failed(unanswered(error))
            return error
        except BaseException:
            attempts.dropped()
            raise
        if response.status < 400:
            attempts.succeeded()
        else:
            self._answer.close()  # its body is here
            today = self._line.policies.clock.today()
            attempts.failed(refused(response.status, response.headers, response.error, today))
        return response

    async def _pause(self, attempts: Attempts) -> None:
        failure, wait = attempts.failure, attempts.wait
        if wait and failure is not None:
            logger.info(
                "%s failed (%s, status %s): again in %.3g s", self._line.name, failure.kind, failure.status, wait
            )
            await self._line.policies.clock.sleep(wait)

    async def _attempt(self, target: Target) -> Response:
        """One request and the beginning of its answer: all that can be tried again."""
        first_byte = self._line.account.first_byte
        try:
            with Deadline(first_byte) as guard:
                self._answer = await self._line.send(target, self._body)
                try:
                    return await self._receive(self._answer, self._line.secrets(target.credential), guard)
                except BaseException:
                    self._answer.close()
                    raise
        except TimeoutError:
            raise faults.never_began(self._line.name, first_byte) from None

    async def _receive(self, answer: Answer, secrets: Secrets, guard: Deadline) -> Response:
        status = answer.status
        headers = tuple([(name.lower(), value) for name, value in answer.headers])
        if status in _REDIRECTS:
            raise faults.redirected(self._line.name, header(headers, b"location").decode("latin-1"))
        headers, rest = plain(headers, answer, self._line.explain)
        first = await anext(rest, b"")
        guard.lift()
        if status >= 400:
            return _error(status, headers, await whole(first, rest, MAX_ERROR_BYTES), secrets)
        return _answered(answer, headers, first, rest, secrets)

    def _refused(self, response: Response, attempts: Attempts) -> Response:
        """The last answer as the caller gets it."""
        name, target, soonest = self._line.name, attempts.target, attempts.soonest
        if response.status == 401 and target.credential is not None and target.credential.kind == "centralized":
            if soonest is not None:
                raise faults.no_key_left(name, target.model, soonest)
            raise faults.refused_key(name, target.credential)
        if soonest is not None:
            asked = b"%d" % max(1, math.ceil(soonest))
            others = without(response.headers, b"retry-after", b"retry-after-ms")
            return replace(response, headers=(*others, (b"retry-after", asked)))
        return response


def _error(status: int, headers: Headers, body: bytes, secrets: Secrets) -> Response:
    clean = redact(body, secrets.all)
    headers = tuple((name, redact(value, secrets.all)) for name, value in headers)
    if clean and header(headers, b"content-length") != b"%d" % len(clean):  # the answer to a HEAD has no body
        headers = without(headers, b"content-length")
    return Response(status, headers, alone(clean), clean)


def _answered(answer: Answer, headers: Headers, first: bytes, rest: Pieces, secrets: Secrets) -> Response:
    values = b"\n".join([value for _, value in headers])
    if any(map(values.__contains__, secrets.certain)):
        headers = tuple((name, redact(value, secrets.certain)) for name, value in headers)
    cleaner = Cleaner(secrets)
    if rest is answer:  # it came without a content-coding, as nearly all do
        answer.resume(first, cleaner)
    else:
        rest = cleaned(first, rest, cleaner)
    return Response(answer.status, headers, rest)
