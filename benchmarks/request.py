"""The requests of the load, as a client's bytes."""

from __future__ import annotations

import msgspec

from benchmarks.dialects import Dialect
from benchmarks.processes import Process

_HEADERS = (
    "accept: application/json\r\naccept-encoding: gzip, deflate\r\ncontent-type: application/json\r\n"
    "x-stainless-lang: python\r\nx-stainless-package-version: 3.51.0\r\nx-stainless-os: Linux\r\n"
    "x-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\nx-stainless-runtime-version: 3.11.7\r\n"
    "x-stainless-async: async:asyncio\r\nx-stainless-retry-count: 0\r\n"
)


def post(process: Process, dialect: Dialect, script: str, number: int = 0) -> bytes:
    """A request of about 1.5 kB; the script, and how long its stream is, are the model's name."""
    body = {"model": f"{script}-{number}", **dialect.asked(streaming=script != "blocking")}
    data = msgspec.json.encode(body)
    start = f"POST {dialect.path} HTTP/1.1\r\nhost: 127.0.0.1:{process.port}\r\n{dialect.headers}"
    return f"{start}{_HEADERS}content-length: {len(data)}\r\n\r\n".encode() + data


def get(process: Process, path: str) -> bytes:
    """A page, asked for."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{process.port}\r\n\r\n".encode()
