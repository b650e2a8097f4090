"""The requests of the load, as a client's bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks.processes import Process

_SYSTEM = (
    "You are a careful assistant in a code editor. You answer briefly, you read files before you change them, and you "
    "say so when you do not know. Prefer small steps; run the tests after each. "
) * 6
_USER = "Why does the second test fail since yesterday, and what would be the smallest change that mends it?"

_HEADERS = (
    "accept: application/json\r\naccept-encoding: gzip, deflate\r\nauthorization: Bearer sk-of-the-client\r\n"
    "content-type: application/json\r\nuser-agent: AsyncOpenAI/Python 3.51.0\r\n"
    "x-stainless-lang: python\r\nx-stainless-package-version: 3.51.0\r\nx-stainless-os: Linux\r\n"
    "x-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\nx-stainless-runtime-version: 3.11.7\r\n"
    "x-stainless-async: async:asyncio\r\nx-stainless-retry-count: 0\r\n"
)


def completion(process: Process, script: str, number: int = 0) -> bytes:
    """A chat completion of about 1.5 kB; the script, and how long its stream is, are the model's name."""
    body: dict[str, Any] = {
        "model": f"{script}-{number}",
        "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}],
        "temperature": 0.2,
    }
    if script != "blocking":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    data = msgspec.json.encode(body)
    start = f"POST {process.path} HTTP/1.1\r\nhost: 127.0.0.1:{process.port}\r\n"
    return f"{start}{_HEADERS}content-length: {len(data)}\r\n\r\n".encode() + data


def get(process: Process, path: str) -> bytes:
    """A page, asked for."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{process.port}\r\n\r\n".encode()
