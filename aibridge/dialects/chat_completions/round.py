"""One round of chat completions as it is put together: text, calls, finish, usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aibridge.dialects.chain import text_of
from aibridge.dialects.chat_completions.plain import words_in
from aibridge.dialects.codec import as_object, count, decode, encode
from aibridge.model import JSON, InjectedTool, ThoughtRecord, TokenUsage, ToolCall

_MOST_UNREAD = 128 * 1024
"""Bytes of plain chunks that wait to be read: most answers are shorter, and nobody ever asks for their words."""

_CUT_OFF = ("length", "content_filter")
_ARGUMENTS = {"function": "arguments", "custom": "input"}  # by the type of a call
_EXTRA_TOKENS = {
    "prompt_tokens_details": {"audio_tokens": "prompt_audio"},
    "completion_tokens_details": {
        "audio_tokens": "completion_audio",
        "reasoning_tokens": "completion_reasoning",
        "accepted_prediction_tokens": "completion_accepted_prediction",
        "rejected_prediction_tokens": "completion_rejected_prediction",
    },
}


class Call:
    """A call as its pieces come in. Whose it is shows once its name is whole."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.type = "function"
        self.arguments: list[str] = []
        self.other: dict[str, JSON] = {}  # members that the replay must not lose, such as signatures
        self.ours: bool | None = None  # None: can't be told yet
        self.held = False  # pieces of it were kept back
        self.index: int | None = None  # among the calls that the client is shown; None: not shown so far

    def absorb(self, piece: Mapping[str, Any]) -> None:
        """Takes one piece: of the id, the name, the arguments, or of what else the provider adds."""
        for key, value in piece.items():
            if key in _ARGUMENTS and isinstance(value, dict):
                self.type = key
                self._absorb_body(value.get("name"), value.get(_ARGUMENTS[key]))
            elif key == "id":
                self.id = self.id or (value if isinstance(value, str) else "")
            elif key not in ("index", "type", *_ARGUMENTS):
                self.other[key] = value

    def _absorb_body(self, name: JSON, arguments: JSON) -> None:
        # Some repeat the whole name in every piece; and one by which a call was known as ours is whole.
        if isinstance(name, str) and name != self.name and not self.ours:
            self.name += name
        if arguments:
            self.arguments.append(arguments if isinstance(arguments, str) else encode(arguments).decode())

    @property
    def text(self) -> str:
        """The arguments so far."""
        return "".join(self.arguments)

    def as_sent(self) -> dict[str, JSON]:
        """The call as the provider would have sent it whole."""
        body = {"name": self.name, _ARGUMENTS[self.type]: self.text}
        return {**({"id": self.id} if self.id else {}), "type": self.type, self.type: body, **self.other}


class ChatRound:
    """What one upstream response has said so far."""

    def __init__(self, tools: Mapping[str, InjectedTool]) -> None:
        self._tools = tools
        self._open: dict[tuple[int, int], Call] = {}
        self.made: list[Call] = []  # every call, noise too
        self.text: list[str | bytes] = []  # bytes: what nobody has asked for yet, JSON strings and plain chunks
        self._read = 0  # pieces of the text that are known to be words
        self._unread = 0  # bytes behind them
        self.response_id: str | None = None
        self.model: str | None = None
        self.finish: str | None = None
        self.usage: JSON = None
        self.ended = False  # all that will come has come

    @property
    def cut_off(self) -> bool:
        """Whether the provider stopped in mid-answer, so that no call may be trusted to be whole."""
        return self.finish in _CUT_OFF

    @property
    def text_so_far(self) -> str:
        """The words of the answer."""
        return _words(self.text)

    def hear(self, chunks: bytes) -> None:
        """Takes plain chunks. They take forty times the room of their words, so of a long answer only these stay."""
        self.text.append(chunks)
        self._unread += len(chunks)
        if self._unread > _MOST_UNREAD:
            self.text[self._read :] = [_words(self.text[self._read :])]
            self._read, self._unread = len(self.text), 0

    def call(self, choice: int, piece: Mapping[str, Any]) -> Call:
        """The call that a piece belongs to, a new one where it starts one; the piece is absorbed."""
        index = piece.get("index")
        key = (choice, index if isinstance(index, int) else 0)
        call = self._open.get(key)
        if call is None or _starts_another(call, piece):
            call = self._open[key] = Call()
            self.made.append(call)
        call.absorb(piece)
        return call

    def decide(self, call: Call, *, whole: bool) -> None:
        """Tells whose a call is, as soon as its name can grow no more into one of ours. Names match by exact bytes."""
        name = call.name.strip()  # some pad names, and no name of ours has spaces
        if whole or call.arguments or call.type == "custom":
            call.ours = name in self._tools and call.type == "function"
        elif not any(ours.startswith(name) for ours in self._tools):
            call.ours = False

    def calls(self) -> list[ToolCall]:
        """The calls so far, in the order they came; a piece without a name is noise."""
        return [self._tool_call(call, at) for at, call in enumerate(self.made) if call.name]

    def replay(self) -> dict[str, JSON]:
        """The assistant's message: its words, and the calls of ours just as they were sent."""
        calls = [call.as_sent() for call in self.made if call.ours]
        return {"role": "assistant", "content": self.text_so_far or None, "tool_calls": calls}

    def thoughts(self) -> Iterator[ThoughtRecord]:
        """None: what this dialect shows of them has no standing form."""
        return iter(())

    def _tool_call(self, call: Call, at: int) -> ToolCall:
        name = call.name.strip()
        if call.ours is None:  # the round was cut, so no more of its name will come
            self.decide(call, whole=True)
        if call.ours:  # without an id a result could not be told whose it is; a few servers send none
            call.id = call.id or f"call_{self.response_id}_{at}"
        tool = self._tools[name] if call.ours else None
        return ToolCall(call.id, name, call.text, as_object(call.text), tool, self.response_id)

    def token_usage(self, request_bytes: int) -> TokenUsage:
        """The round's tokens: the provider's last word, or an estimate of four bytes a token where it said none."""
        if not isinstance(self.usage, dict):
            said = len(self.text_so_far) + sum(len(call.text) for call in self.made)
            if not (said or self.ended):  # it did not answer, so it charged nothing
                return TokenUsage(self.response_id, 0, 0, extra={"partial": True}, model=self.model)
            return TokenUsage(
                self.response_id, request_bytes // 4, said // 4, extra={"estimated": True}, model=self.model
            )
        cached = count(_details(self.usage, "prompt_tokens_details").get("cached_tokens"))
        return TokenUsage(
            self.response_id,
            max(0, count(self.usage.get("prompt_tokens")) - cached),
            count(self.usage.get("completion_tokens")),
            cache_read=cached,
            extra=_extra_tokens(self.usage) | ({} if self.ended else {"partial": True}),
            model=self.model,
        )


def choices_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choices of a completion or of a chunk."""
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _words(pieces: Iterable[str | bytes]) -> str:
    return "".join(map(_spoken, pieces))


def _spoken(piece: str | bytes) -> str:
    if isinstance(piece, str):
        return piece
    return text_of(decode(piece)) if piece.startswith(b'"') else words_in(piece)


def _starts_another(call: Call, piece: Mapping[str, Any]) -> bool:
    """Some servers give every call the same index, or none: then a name tells them apart, beside another id…"""
    body = piece.get("function") or piece.get("custom")
    if not isinstance(body, dict) or not body.get("name"):
        return False
    if call.id and piece.get("id"):
        return bool(piece["id"] != call.id)
    # … or, without ids, another name or more arguments after arguments that are whole.
    return bool(call.text) and (
        body["name"] != call.name or (bool(body.get("arguments")) and as_object(call.text) is not None)
    )


def _details(usage: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    details = usage.get(key)
    return details if isinstance(details, dict) else {}


def _extra_tokens(usage: Mapping[str, Any]) -> dict[str, JSON]:
    return {
        names[key]: count(value)
        for details, names in _EXTRA_TOKENS.items()
        for key, value in _details(usage, details).items()
        if key in names and value is not None
    }
