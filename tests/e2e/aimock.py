"""A provider that we did not write: npm's @copilotkit/aimock, told what to answer by each test."""

from __future__ import annotations

import json
from typing import Any

import httpx2

JSON = Any


def when(question: str, *, told: str | None = None, answers: JSON) -> JSON:
    """What is answered to a question; `told`: where the last message is a tool's result that holds these words."""
    match: JSON = {"userMessage": question}
    if told is None:
        match["hasToolResult"] = False
    else:
        match["toolResultContains"] = told
    return {"match": match, "response": answers}


def call(name: str, **arguments: JSON) -> JSON:
    """A tool call in an answer."""
    return {"name": name, "arguments": json.dumps(arguments)}


def tokens(prompt: int, completion: int) -> JSON:
    """The usage that goes with an answer."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


class Aimock:
    """The running server's controls and its journal."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx2.Client(base_url=url, trust_env=False)

    def script(self, *fixtures: JSON) -> None:
        """Forgets all that was, and answers like this from now on."""
        self._http.post("/__aimock/reset").raise_for_status()
        self._http.post("/__aimock/fixtures", json={"fixtures": fixtures}).raise_for_status()

    def requests(self) -> list[JSON]:
        """The bodies that reached it."""
        return [entry["body"] for entry in self._http.get("/v1/_requests").raise_for_status().json()]

    def close(self) -> None:
        self._http.close()
