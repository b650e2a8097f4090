"""What is wrong with a configuration, told in one line for each fault: where, what, and what was found there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from aibridge.config import shape

Path = tuple[str, ...]

_SECRET_KEYS = frozenset(("api_keys", "args", "env", "extra_headers", "headers"))
_SECRET_WORDS = re.compile(r"key|token|secret|password", re.IGNORECASE)
_MAX_SHOWN = 60
_KINDS: Mapping[type, str] = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "null"}

_TOLD: Mapping[str, str] = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "invalid_key": "a key must be text; put it in quotes",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "model_type": "must be a mapping of keys to values",
    "path_type": "must be a path",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}


class ConfigError(ValueError):
    """A configuration that cannot be used. `lines` has one line for each fault; no line holds a secret."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def line(source: str, path: Path, message: str) -> str:
    """One fault: `aibridge.yaml: server.port: must be …`."""
    return ": ".join(part for part in (source, ".".join(path), message) if part)


def tell(errors: Iterable[Mapping[str, Any]], root: Any, source: Callable[[Path], str], hidden: set[Path]) -> list[str]:
    """The lines of a validation's errors.

    `root` is the schema, `source` names the file or the variable a path comes from, and `hidden` has the paths whose
    values came out of a variable that may hold a secret.
    """
    lines = []
    for error in errors:
        path = tuple(str(part) for part in error["loc"] if part != "[key]")
        if error["type"] != "default_factory_not_called":  # the true fault stands beside it
            lines.append(line(source(path), path, _message(error, path, root) + _found(error, path, hidden)))
    return lines


def _message(error: Mapping[str, Any], path: Path, root: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(path[-1], shape.keys(shape.at(root, path[:-1])))
    if kind == "missing":  # the one setting without a default
        return f"is missing, and {path[-2]} is no type; write openai, anthropic or copilot"
    if kind == "value_error":
        return str(context["error"])
    told = _TOLD.get(kind)
    return told.format(**context) if told else str(error["msg"])


def _unknown(key: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(key.lower(), known, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known are {', '.join(known)}"


def _found(error: Mapping[str, Any], path: Path, hidden: set[Path]) -> str:
    value = error.get("input")
    if error["type"] in ("extra_forbidden", "invalid_key", "missing") or error["loc"][-1] == "[key]":
        return ""
    if value is None or isinstance(value, dict | list | tuple):
        return "" if error["type"] == "value_error" else f", not {_KINDS[type(value)]}"
    quotes = "; put it in quotes" if error["type"] == "string_type" else ""
    if path in hidden or is_secret(path):
        return f"{quotes} (its value is not shown)"
    return f"{quotes}; it is {show(value)}"


def is_secret(path: Path) -> bool:
    """Whether the value behind a path may hold a secret."""
    return any(part in _SECRET_KEYS or _SECRET_WORDS.search(part) for part in path)


def show(value: object) -> str:
    """A value as YAML has it, cut where it is long, and without the user and password of a URL."""
    if isinstance(value, str):
        shown = repr(_without_credentials(value))
        return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…'"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_credentials(url: str) -> str:
    """A URL's user, password and query may be secrets."""
    if "://" not in url and "@" not in url:
        return url
    masked = re.sub(r"(?<=://)[^/]*@|^[^/]*@", "***@", url)
    return re.sub(r"\?.*", "?***", masked)
