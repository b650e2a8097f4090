"""What the API offers, as an OpenAPI 3.1 document. The columns tell of themselves in the tables."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, Table

from aibridge import __version__
from aibridge.audit.encoding import FORMATS, MEDIA_TYPES
from aibridge.audit.exports import KINDS
from aibridge.audit.queries.filters import STATUSES
from aibridge.audit.queries.usage import GROUPS
from aibridge.store import tables
from aibridge.store.tables import UTCDateTime

PREFIX = "/api/v1"

Schema = dict[str, Any]

_TIME = "A time such as 2026-11-20T07:00:00Z, or an age such as 24h or 7d."
FILTERS = {
    "actor": "Whose: the actor's name.",
    "provider": "The provider's name in the configuration.",
    "model": "The model that the client asked for.",
    "client": "The calling program.",
    "session": "The client's id of the conversation.",
    "status": f"One of {', '.join(STATUSES)}.",
    "tool": "A tool that the model called, by its raw name.",
    "since": f"Started then or later. {_TIME}",
    "until": f"Started before then. {_TIME}",
}
_PAGING = {"limit": "Rows in the page: 1 to 500; 50 where it is left out.", "cursor": "`next` of the page before."}
_WHOLE: Schema = {"type": "integer"}
_SECONDS: Schema = {"type": ["number", "null"]}


@cache
def document() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aibridge audit API",
            "version": __version__,
            "description": "Who asked what, which tools ran, what it cost. Users see their own records, auditors all.",
        },
        "paths": {PREFIX + path: {"get": operation} for path, operation in _operations().items()},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A gateway key: aib_…"}},
        },
        "security": [{"key": []}],
    }


def _operations() -> dict[str, Schema]:
    by = {"by": f"One of {', '.join(GROUPS)}; `day` where it is left out."}
    form = {"format": f"One of {', '.join(FORMATS)}; `csv` where it is left out."}
    kind = _parameter("kind", "What to export.", where="path") | {"schema": {"type": "string", "enum": list(KINDS)}}
    id_ = _parameter("id", "The interception's UUID.", where="path")
    streams = {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()}
    return {
        "/interceptions": _get("Interceptions, newest first", _list("Interception", paged=True), FILTERS | _PAGING),
        "/interceptions/{id}": _get("One interception and its timeline", _ref("Timeline"), {}, id_),
        "/sessions": _get("Sessions, last used first", _list("Session", paged=True), FILTERS | _PAGING),
        "/usage": _get("Usage, grouped", _list("Usage"), FILTERS | by),
        "/tools": _get("Tools: what they weigh and how often they are called", _list("Tool"), FILTERS),
        "/keys": _get("Gateway keys", _list("Key"), {}),
        "/export/{kind}": _get("All that is meant, as a stream", None, FILTERS | form, kind) | _answers(streams),
        "/openapi.json": _get("This document", {"type": "object"}, {}),
    }


def _get(summary: str, schema: Schema | None, query: dict[str, str], *more: Schema) -> Schema:
    parameters = [*more, *(_parameter(name, text) for name, text in query.items())]
    return {"summary": summary, "parameters": parameters} | _answers({"application/json": {"schema": schema or {}}})


def _answers(content: Schema) -> Schema:
    failed = {"description": "What is wrong.", "content": {"application/json": {"schema": _ref("Error")}}}
    return {"responses": {"200": {"description": "Found.", "content": content}, "4XX": failed}}


def _parameter(name: str, text: str, where: str = "query") -> Schema:
    return {"name": name, "in": where, "required": where == "path", "description": text, "schema": {"type": "string"}}


def _schemas() -> dict[str, Schema]:
    totals = dict.fromkeys(tables.TOTALS, _WHOLE)
    text, moment = {"type": "string"}, {"type": "string", "format": "date-time"}
    maybe = {"type": ["string", "null"]}
    calls: Schema = {"calls": _WHOLE, "failed": _WHOLE, "seconds": _SECONDS}
    counts: Schema = {"requests": _WHOLE, "failed": _WHOLE, "completed": _WHOLE}
    times: Schema = {"p50_seconds": _SECONDS, "p95_seconds": _SECONDS}
    tool: Schema = {
        "tool": text,
        "server": maybe,
        "server_url": maybe,
        "injected": {"type": "boolean"},
        **calls,
        "last_at": _maybe_time(),
    }
    events = [_event(kind, table) for kind, table in _EVENTS.items()]
    return {
        "Interception": _object(
            _columns(tables.interceptions) | {"tool_calls": _WHOLE, "injected_calls": _WHOLE}
        ),
        "Timeline": _object({"interception": _ref("Interception"), "events": _array({"oneOf": events})}),
        "Session": _object(
            {"session": text, "actor": text, "first_at": moment, "last_at": moment, "interceptions": _WHOLE}
            | {"failed": _WHOLE, **totals, "client": text, "model": text, "prompt": maybe}
        ),
        "Usage": {"anyOf": [_object({**dict.fromkeys([name], text), **counts, **totals, **times}) for name in GROUPS
                            if name != "tool"] + [_object(tool)]},
        "Tool": _object({**tool, "schema_tokens": {"type": ["integer", "null"]}, "state": text}),
        "Key": _object({name: schema for name, schema in _columns(tables.keys).items() if name != "hash"}),
        "Error": _object({"error": _object({"message": text, "type": text, "param": maybe})}),
    }  # fmt: skip


_EVENTS = {
    "prompt": tables.user_prompts,
    "thought": tables.model_thoughts,
    "tool": tables.tool_usages,
    "tokens": tables.token_usages,
}


def _event(kind: str, table: Table) -> Schema:
    columns = {name: schema for name, schema in _columns(table).items() if name != "interception_id"}
    return _object({"kind": {"const": kind}, **columns})


def _columns(table: Table) -> dict[str, Schema]:
    return {str(column.name): _type(column) | {"description": column.doc} for column in table.c}


def _type(column: Column[Any]) -> Schema:
    match column.type:
        case JSON():
            return {}
        case UTCDateTime():
            return _maybe_time() if column.nullable else {"type": "string", "format": "date-time"}
        case Boolean():
            kind = "boolean"
        case Integer() | BigInteger():
            kind = "integer"
        case _:
            kind = "string"
    return {"type": [kind, "null"]} if column.nullable else {"type": kind}


def _maybe_time() -> Schema:
    return {"type": ["string", "null"], "format": "date-time"}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _list(name: str, *, paged: bool = False) -> Schema:
    found = {"data": _array(_ref(name))}
    if name == "Usage":
        found["by"] = {"type": "string"}
    return _object(found | ({"next": {"type": ["string", "null"]}} if paged else {}))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
