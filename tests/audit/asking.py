"""Asks the audit's applications, without a network."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from aibridge.audit import Sources, open_audit
from aibridge.ports import Identify
from tests.audit.parts import NOW, KnownKeys


def mounted(pages: Mapping[str, ASGIApp]) -> ASGIApp:
    """Each below its prefix, as the gateway has them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        prefix = next(prefix for prefix in pages if scope["path"].startswith(prefix))
        await pages[prefix](scope, receive, send)

    return app


@asynccontextmanager
async def opened(
    url: str, identify: Identify | None = None, sources: Sources | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_audit(url, identify or KnownKeys(), sources, now=lambda: NOW) as pages:
        transport = httpx2.ASGITransport(app=mounted(pages))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


def by(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def with_query(path: str, /, **query: Any) -> str:
    return f"{path}?{urlencode(query)}"
