"""What is spoken in a run: each dialect's request, and the answers of the scripted provider, as real ones look."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.dialects.base import Dialect
from benchmarks.dialects.chat_completions import ChatCompletions
from benchmarks.dialects.messages import Messages
from benchmarks.dialects.responses import Responses

DIALECTS: Mapping[str, Dialect] = {one.name: one for one in (ChatCompletions(), Responses(), Messages())}
"""By name."""

__all__ = ["DIALECTS", "Dialect"]
