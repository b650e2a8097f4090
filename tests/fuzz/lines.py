"""The lines of requests that are nearly right, and some that are not."""

from __future__ import annotations

PATHS = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/models",
    "/v1/models/x",
    "/v1/responses/resp-1",
    "/openai/v1/chat/completions",
    "/anthropic/v1/messages",
    "/anthropic/v1/messages/count_tokens",
    "/openai/v1/responses",
    "/openai/v1/conversations/../admin",
    "/openai/v1/../admin",
    "/openai//v1/models",
    "/openai/v1/models;x",
    "/%2e%2e/x",
    "/openai/v1/responses/%2f",
    "http://127.0.0.1/openai/v1/models",
    "*",
    "/",
    "/openai/v1/conversations/a/b?c=d",
    "//x",
]

METHODS = ["POST", "POST", "POST", "GET", "DELETE", "HEAD", "OPTIONS", "CONNECT", "PRI"]

HEADERS = [
    b"Host: 127.0.0.1",
    b"Host: evil.example",
    b"Host: a/?x=",
    b"Origin: http://evil.example",
    b"Authorization: Bearer own",
    b"Authorization: Basic x",
    b"x-api-key: own",
    b"x-api-key: other",
    b"x-aibridge-tools: time_*",
    b"x-aibridge-tools: [",
    b"x-aibridge-tools: off",
    b"Connection: close",
    b"Connection: x-a, host",
    b"Transfer-Encoding: chunked",
    b"Upgrade: websocket",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Cookie: a=b",
    b"x-forwarded-for: 1.1.1.1",
    b"User-Agent: claude\x01",
    b"User-Agent: codex",
    b"Content-Length: 5",
    b"traceparent: 00-x",
    b"x-a: \xff\xfe",
    b"Proxy-Authorization: x",
    b"Te: trailers",
]
