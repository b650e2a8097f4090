"""Pages from templates, which escape whatever they are given, under headers that let nothing foreign in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from aibridge.audit.formats import FILTERS

_HERE = Path(__file__).parent

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
"""What every page says. No script or style stands in a page: both come from our own files."""

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Assets:
    """The files of `static/`, read once. Nothing else can be asked for, whatever a path says."""

    def __init__(self) -> None:
        self._files = {file.name: file.read_bytes() for file in (_HERE / "static").iterdir() if file.is_file()}

    def url(self, name: str) -> str:
        """The address of a file, which changes with its content. Raises KeyError for one that is not there."""
        return f"/ui/static/{name}?v={hashlib.sha256(self._files[name]).hexdigest()[:10]}"

    def response(self, name: str) -> Response | None:
        """The file, to be kept by the browser for as long as it likes; None where there is none of this name."""
        if name not in self._files:
            return None
        headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
        return Response(self._files[name], headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])


def templates(assets: Assets) -> Environment:
    """The templates, with the formats as filters."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals["asset"] = assets.url
    return environment


def page(environment: Environment, template: str, context: Mapping[str, Any], status: int = 200) -> Response:
    """A page; nobody but the one who asked may keep it."""
    html = environment.get_template(template).render(context)
    headers = {**SECURITY_HEADERS, "cache-control": "no-store"}
    return Response(html.encode(errors="replace"), status, headers, "text/html; charset=utf-8")
