"""Chat completions as a stream: each chunk goes on at once, but for what is ours and for the finish."""

from __future__ import annotations

import re
from typing import Any

from aibridge.dialects.chat_completions.plain import PlainChunks
from aibridge.dialects.chat_completions.round import Call, ChatRound, choices_of
from aibridge.dialects.codec import decode, encode, text_or_none
from aibridge.dialects.refusal import message_in
from aibridge.errors import UpstreamError, classify
from aibridge.model import JSON
from aibridge.sse import Decoder, Event
from aibridge.sse import encode as encode_event

DONE = encode_event(b"[DONE]")

_WORTH_HALVING = 1024
"""So many bytes, of which some are not plain, may hold a half that is."""

_NULL_USAGE = b',"usage":null'  # quotes that aren't escaped: it can't stand within a string
_ID_FIRST = re.compile(rb'\s*\{\s*"id"\s*:\s*"[^"\\]*"')


class ChatStream:
    """https://platform.openai.com/docs/api-reference/chat-streaming"""

    error: UpstreamError | None = None  # the provider's own, once it has been relayed

    def __init__(self, id: str, *, injecting: bool, wants_usage: bool) -> None:  # noqa: A002  the field's name
        self._id = id
        self._head = b'{"id":"%b"' % id.encode()
        self._injecting = injecting
        self._wants_usage = wants_usage
        self._introduced = False  # an earlier round has told the role already
        self._usage_chunk: tuple[bytes, dict[str, Any]] | None = None
        self.done = False

    def start(self, round_: ChatRound) -> None:
        """Makes ready for the next round."""
        self._round = round_
        self._decoder = Decoder()
        self._prefix = b"\0"  # how this round's chunks begin, up to the end of their id
        self._plain: PlainChunks | None = None  # once that is known
        self._flowing: PlainChunks | None = None  # the same, while nothing is held that they would have to wait for
        self._like: dict[str, Any] = {}  # the first chunk that says something, the model for those of ours
        self._tail: list[tuple[bytes | None, dict[str, Any]]] = []  # the finish and what follows it
        self._shown = 0  # calls of the client
        self.done = False  # the terminal event has come

    @property
    def complete(self) -> bool:
        return self.done or bool(self._round.finish) or self.error is not None

    def flow(self, data: bytes) -> bytes | None:
        return None if self._flowing is None else self._flowing.rewritten(data)

    def receive(self, data: bytes) -> bytes:
        half = data.find(b"\n\n", len(data) // 2) + 2
        if len(data) > _WORTH_HALVING and 2 <= half < len(data):
            return self._part(data[:half]) + self._part(data[half:])
        relayed = b"".join(map(self._event, self._decoder.feed(data)))
        self._flowing = self._plain if self._decoder.idle and not self.complete else None
        return relayed

    def _part(self, data: bytes) -> bytes:
        plain = self.flow(data)
        return self.receive(data) if plain is None else plain

    def end(self) -> bytes:
        relayed = [self._last_event(event) for event in self._decoder.flush()]
        if self.complete:
            relayed += [self._late(call) for call in self._round.made if call.ours is None]
        return b"".join(relayed)

    def hide(self) -> bytes:
        """The round stays hidden: of what was withheld only words go on."""
        self._introduced = True
        chunks = [chunk for _, chunk in self._tail]
        for choice in (choice for chunk in chunks for choice in choices_of(chunk)):
            choice["finish_reason"] = None
        return b"".join(self._encode(chunk) for chunk in chunks if _says_something(chunk))

    def finish(self, usage: JSON, rounds: int) -> bytes:
        """What was withheld, the turn's usage where the client asked for it, and the end."""
        tail = [self._encode(chunk) if own is None else self._with_id(own, chunk) for own, chunk in self._tail]
        return b"".join((*tail, self._usage_told(usage, rounds), DONE))

    def _usage_told(self, usage: JSON, rounds: int) -> bytes:
        if not self._usage_chunk or not self._wants_usage:
            return b""
        data, chunk = self._usage_chunk
        if rounds == 1 and not choices_of(chunk):
            return self._with_id(data, chunk)
        return self._encode({**chunk, "choices": [], "usage": usage})

    def _last_event(self, event: Event) -> bytes:
        relayed = self._event(event)
        return b"" if relayed is event.raw else relayed  # half an event would only confuse the client

    def _late(self, call: Call) -> bytes:
        """A call whose name could have grown into one of ours to the end: relayed now if it did not."""
        self._round.decide(call, whole=True)
        if call.ours or not call.held:
            return b""
        return self._chunk_of({"tool_calls": [self._show(call, {})]})

    def _event(self, event: Event) -> bytes:
        if self.done or self.error or event.data == b"[DONE]":
            self.done = True
            return b""
        chunk = decode(event.data) if event.data else None
        if event.name == b"error" or (isinstance(chunk, dict) and chunk.get("error")):
            return self._provider_error(event)
        if not isinstance(chunk, dict):
            return event.raw  # a comment, or nothing that we or the client could act on
        return self._chunk(event.data, chunk)

    def _provider_error(self, event: Event) -> bytes:
        text = event.data.decode(errors="replace")
        self.error = UpstreamError(message_in(event.data) or text, type=classify(None, text))
        return event.raw if event.raw.endswith(b"\n\n") else encode_event(event.data, event.name)

    def _chunk(self, data: bytes, chunk: dict[str, Any]) -> bytes:
        if self._round.response_id is None and isinstance(chunk.get("id"), str):
            self._round.response_id = chunk["id"]
            self._round.model = text_or_none(chunk.get("model"))
        choices = choices_of(chunk)
        if choices and not self._like:
            self._like = chunk
        own: bytes | None = data  # None once the chunk has to be written anew
        if "usage" in chunk:
            if self._notes_usage(data, chunk) and not choices:
                return b""  # it goes out at the end, if the client asked
            own = self._without_usage(data, chunk, choices)
        sifted = False
        for choice in choices:
            if self._choice(choice):
                sifted, own = True, None
        if self._injecting and self._round.finish:
            self._tail.append((own, chunk))
            return b""
        if sifted and not _says_something(chunk):
            return b""
        return self._encode(chunk) if own is None else self._with_id(own, chunk)

    def _notes_usage(self, data: bytes, chunk: dict[str, Any]) -> bool:
        """Notes the usage, if the chunk reports one, for a chunk of its own at the end."""
        if not isinstance(chunk["usage"], dict):
            return False
        self._round.usage = chunk["usage"]
        self._usage_chunk = (data, dict(chunk))
        return True

    def _without_usage(self, data: bytes, chunk: dict[str, Any], choices: list[dict[str, Any]]) -> bytes | None:
        """The chunk's bytes without a usage that must not stand in it; None where they have to be written anew."""
        if not self._wants_usage:  # it came because we asked
            rest = data.replace(_NULL_USAGE, b"")
            plain = chunk.pop("usage") is None and len(rest) == len(data) - len(_NULL_USAGE)
            return rest if plain else None
        if chunk["usage"] and any(choice.get("finish_reason") for choice in choices):
            chunk["usage"] = None  # clients that asked for it apart stumble over it here
            return None
        return data

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Reads one choice and takes out what the client must not see; whether it changed."""
        delta = choice.get("delta")
        if finish := choice.get("finish_reason"):
            self._round.finish = finish
        if not isinstance(delta, dict):
            return False
        content = delta.get("content")
        if content and isinstance(content, str):
            self._round.text.append(content)
        changed = False
        if self._introduced and "role" in delta:
            del delta["role"]
            changed = True
        if isinstance(delta.get("tool_calls"), list):
            changed = self._sift(choice.get("index"), delta) or changed
        return changed

    def _sift(self, choice: JSON, delta: dict[str, Any]) -> bool:
        """Takes from the calls of a delta what the client must not see; whether that changes it."""
        calls = delta["tool_calls"]
        pieces = [self._piece(choice, piece) for piece in calls if isinstance(piece, dict)]
        shown = [piece for piece in pieces if piece]
        if not self._injecting or shown == calls:
            return False
        if len(shown) < len(calls):
            delta.pop("function_call", None)  # some servers repeat a call in the legacy form
        delta["tool_calls"] = shown
        if not shown:
            del delta["tool_calls"]
        return True

    def _piece(self, choice: JSON, piece: dict[str, Any]) -> dict[str, JSON] | None:
        """What the client may see of a piece of a call: nothing if the call is ours, or may yet turn out to be."""
        call = self._round.call(choice if isinstance(choice, int) else 0, piece)
        if call.ours is None:
            self._round.decide(call, whole=False)
        if call.ours is not False:
            call.held = True
            return None
        return {**piece, "index": call.index} if call.index is not None else self._show(call, piece)

    def _show(self, call: Call, piece: dict[str, JSON]) -> dict[str, JSON]:
        """The start of a client's call, with what of it was kept back, numbered as if there were no others."""
        call.index, self._shown = self._shown, self._shown + 1
        return {**(call.as_sent() if call.held else piece), "index": call.index}

    def _chunk_of(self, delta: dict[str, JSON]) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        rest = {key: value for key, value in self._like.items() if key != "usage"}
        return self._encode({**rest, "choices": [choice]})

    def _encode(self, chunk: dict[str, Any]) -> bytes:
        return encode_event(encode({**chunk, "id": self._id}))

    def _with_id(self, data: bytes, chunk: dict[str, Any]) -> bytes:
        """The chunk with our id and otherwise its own bytes, where its id comes first as it does nearly everywhere."""
        if not data.startswith(self._prefix):
            first = _ID_FIRST.match(data)
            if first is None:
                return self._encode(chunk)
            self._prefix, self._plain = first.group(), None
        if self._plain is None and self._like:
            self._plain = PlainChunks(
                self._prefix,
                self._head,
                hear=self._round.hear,
                say=self._round.text.append,
                keep_usage=self._wants_usage,
                keep_role=not self._introduced,
            )
        return encode_event(self._head + data[len(self._prefix) :])


def _says_something(chunk: dict[str, Any]) -> bool:
    """Whether a chunk that we changed still tells the client anything."""
    return any(
        value not in (None, "", [])
        for choice in choices_of(chunk)
        if isinstance(choice.get("delta"), dict)
        for value in choice["delta"].values()
    )
