"""What every dialect must do, and what each must besides: each behaviour has a test, each such test a behaviour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

BEHAVIOURS = {
    # All dialects.
    "own bytes": "A body that needs no change goes upstream as the client's own bytes",
    "exact change": "A changed body is compact JSON with its key order kept and its numbers exact",
    "stable tools": "Injected tools come by name, in the same place, on every request; same request, same bytes",
    "parallel setting": "The client's parallel-tool-call setting is kept",
    "together": "All injected calls of a round run together; their results go back in the order of the calls",
    "mixed": "In a mixed round ours are run, the client's calls are relayed whole and renumbered, and the turn ends",
    "choice none": "Tool-choice none: tools are still injected, for the prompt cache",
    "choice forced": "A forced tool-choice becomes auto after the first injected round",
    "last round": "On the last permitted round the tool-choice is none",
    "bounded": "A model that goes on calling tools is stopped",
    "name clash": "A client tool with an injected tool's exact name wins",
    "exact names": "Names match by exact bytes",
    "cut off": "A call cut off by the token limit is never run, and the turn ends as the provider ended it",
    "no object": "A call whose arguments are no JSON object is answered with an error result, not run",
    "empty arguments": "Empty arguments mean {}",
    "tool error": "A failing tool is an error result for the model and an error in the record, no failed interception",
    "one message": "The client sees one message, one id, one finish, and text before an injected call is relayed live",
    "early head": "In a stream the response's head goes out before a tool runs",
    "usage sum": "The client's usage is the sum over rounds of each round's final value",
    "usage last wins": "Within a round the last usage counts, and a later chunk without usage does not zero it",
    "one token record": "There is one token record a round, whatever became of it",
    "prompt once": "The prompt is recorded once, if the last message is the user's",
    "refusal": "Before the stream has begun an error is the provider's status, headers and body as they came",
    "in-band error": "Afterwards an error is an in-band event",
    "cut": "A stream without its terminal event, or without any event, is an error to the client",
    "client gone": "Wherever the client leaves, each record is kept once",
    "body headers": "content-length of a body that we changed is not handed back",
    "split": "However the bytes are split, the client gets the same bytes and the recorder the same records",
    "modes agree": "Streaming and blocking give the same text, calls and usage",
    # Chat completions.
    "usage asked": "Streams ask for usage upstream; what the client did not ask for is dropped",
    "n": "n is forced to 1 only where tools are injected",
    "tool form": "An injected tool has its schema as it is, and strict: false",
    "id swap": "A relayed chunk is the provider's JSON with only its id replaced: bytes, key order and numbers stay",
    "whole call": "The whole call may come in one chunk",
    "finish with delta": "The finish may come in the chunk of the last delta",
    "index from 1": "Tool-call indexes may start at 1",
    "names": "A name may be split over chunks, padded with spaces, or repeated",
    "several in one": "Several calls may come in one delta",
    "repeated role": "The role may be repeated on each delta",
    "null content": "content: null may stand beside tool_calls",
    "bare chunk": "object and created may be missing",
    "reasoning": "reasoning_content is relayed as it came",
    "usage on finish": "Usage may come on the finish chunk",
    "framing": "Comments, CRLF, data: without a space and a last event without its blank line are understood",
    "same index": "Calls may all have the same index, and no ids",
    "replay": "The replayed assistant message is its text and calls as sent; a tool message has the call's id and text",
    "input tokens": "Recorded input tokens are prompt minus cached, never below 0; other token types have their names",
    "done": "A stream ends with [DONE], also after an in-band error",
    "custom tools": "Custom tools are the client's, and pass",
    "legacy functions": "A request with legacy functions gets no tools of ours",
    "bad body": "A body of the wrong shape is refused with the member's name",
    "repeated keys": "Where a body repeats a key, the provider gets what is recorded",
    # Responses.
    "only these": "Of the request only tools, input, previous_response_id and tool_choice are rewritten",
    "response tool form": "An injected tool is a function with its schema as it is, and strict: false",
    "unknown tools": "Tools of types that we don't know pass as they are",
    "background": "background: true is refused with 501",
    "untouched": "With nothing injected an answer passes as it came: every byte, malformed ones included",
    "one lifecycle": "One response.created, one end, contiguous output_index, growing sequence_number, one response id",
    "no echo": "The tools and the output that the response object echoes show nothing injected",
    "live": "Events go on as they come, before the round is over",
    "continuation": "In the next input the round's items are as they were, and the results behind them",
    "encrypted reasoning": "Reasoning is replayed with its encrypted content, and without it only where it is stored",
    "conversation": "A conversation has the items already, so only the results are added",
    "item prompt": "The prompt is the input string, or the text parts of the user's last item, a line each",
    "response tokens": "Recorded input tokens are input minus cached; reasoning and total have their names",
    "hosted tools": "A provider tool's call is recorded by type and item id, and never ends the turn",
    "custom calls": "A custom tool's call is the client's, and its raw text is recorded",
    "summaries": "Reasoning summaries and commentary are recorded as thoughts",
    "failure": "Our own failure is told by an error event and by response.failed, with the turn's id",
    "late events": "What a provider sends behind the end does not come before it",
    # Anthropic messages.
    "prepended": "Injected tools come before the client's",
    "cache control": "The client's cache_control stays where it is, and none is added",
    "message tool form": "An injected tool has its schema as it is, as input_schema",
    "one start and stop": "One message_start and one message_stop, with the interception's id in the start alone",
    "indexes go on": "Block indexes go on counting over rounds, without the calls that are ours",
    "cumulative": "The tokens of message_delta are cumulative: the last value of each counts",
    "thinking replayed": "Thinking and redacted thinking are replayed unchanged, in order, before the call they led to",
    "results first": "The results are one user message of tool_result blocks, errors marked",
    "pictures": "Pictures in results are image blocks where the provider takes their type, and else words",
    "pings": "Pings pass, and a ping keeps an idle stream alive",
    "error form": "Errors are {type: error, error}, in a stream as event: error; overloaded ones have status 529",
    "server tools": "A server tool's call is the provider's, and never ends the turn",
    "stop reasons": "The stop reason is the last round's, as it came",
    "cache tokens": "Cache reads and writes have their columns; the kinds of writes and searches have their names",
    "session": "The session is found in metadata.user_id",
    "thinking recorded": "Thinking is recorded as a thought",
}
"""By a short name: a dialect that comes later fails here until its tests are written."""

F = TypeVar("F", bound=Callable[..., Any])


def shows(*names: str) -> Callable[[F], F]:
    """Says which behaviours a test shows; fails at import where there is no such behaviour."""
    for name in names:
        assert name in BEHAVIOURS, f"{name!r} is no behaviour: add it to BEHAVIOURS or use one of them"

    def mark(test: F) -> F:
        return test

    return mark
