"""Forms that only our own pages can send."""

from __future__ import annotations

import secrets
from hmac import compare_digest
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from aibridge.errors import Forbidden, TooLarge

CSRF_COOKIE = "aibridge_csrf"
_MOST_BYTES = 8192


def csrf_token(request: Request) -> str:
    """What a form of this browser must hold: the browser's own secret, or a new one for it."""
    return request.cookies.get(CSRF_COOKIE) or secrets.token_urlsafe(24)


def remember(request: Request, response: Response, token: str) -> None:
    """Gives the browser its secret, if it has none."""
    if CSRF_COOKIE not in request.cookies:
        response.set_cookie(
            CSRF_COOKIE, token, path="/ui/", httponly=True, samesite="strict", secure=is_secure(request)
        )


async def fields(request: Request) -> dict[str, str]:
    """What a form holds. Raises Forbidden for one that another site sent, TooLarge for one that is no form of ours."""
    _refuse_foreign(request)
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise TooLarge(f"The form is larger than {_MOST_BYTES} bytes.")
    found = {name: values[-1] for name, values in parse_qs(body.decode(errors="replace")).items()}
    secret = request.cookies.get(CSRF_COOKIE, "")
    if not secret or not compare_digest(found.get("csrf", "").encode(), secret.encode()):
        raise Forbidden("The form has gone stale, or another site sent it: go back, load the page anew and try again.")
    return found


def is_secure(request: Request) -> bool:
    """Whether the browser came over TLS, here or at a proxy. Whoever lies about it only hides their own cookie."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


def own_path(wanted: str) -> str:
    """A path of the pages to go on to, whatever was asked for: no other site."""
    parts = urlsplit(wanted) if wanted.isprintable() and "\\" not in wanted else urlsplit("")
    own = not parts.scheme and not parts.netloc and parts.path.startswith("/ui/") and "//" not in parts.path
    return wanted if own else "/ui/"


def _refuse_foreign(request: Request) -> None:
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("Another site sent this form.")
