"""Settings from the environment: `AIBRIDGE_SERVER__PORT=9000` is `server: {port: 9000}`.

Two underscores part the keys of a path. Names without them, such as AIBRIDGE_CONFIG, are not settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from aibridge.config import shape
from aibridge.config.faults import Path

PREFIX = "AIBRIDGE_"


def variables(environ: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """The names of the settings in the environment, in a stable order, each with the parts of its path."""
    for name in sorted(environ):
        rest = name.removeprefix(PREFIX)
        if rest != name and "__" in rest:
            yield name, rest.split("__")


def overlay(tree: dict[str, Any], root: Any, environ: Mapping[str, str]) -> tuple[dict[Path, str], list[str]]:
    """Puts the environment's settings into the tree, over what is there.

    Returns which variable each path comes from, and a line for each value that is no YAML.
    """
    origins: dict[Path, str] = {}
    faults: list[str] = []
    for name, parts in variables(environ):
        path = _path(tree, root, parts)
        try:
            value = _value(environ[name], shape.at(root, path))
        except yaml.YAMLError:
            faults.append(f"{name}: {'.'.join(path)}: no valid YAML; put the value in quotes")
            continue
        if _put(tree, path, value):
            origins[path] = name
    return origins, faults


def _path(tree: Any, root: Any, parts: list[str]) -> Path:
    """The key path that a variable's parts stand for. Keys that users choose are found whatever their case."""
    path: Path = ()
    while parts:
        annotation = shape.at(root, path)
        chosen = shape.is_mapping(annotation)
        if chosen and shape.core(shape.member(annotation, "")) is str:
            parts = ["__".join(parts)]  # the name of a variable or a header may itself hold two underscores
        known = tree if isinstance(tree, dict) else {}
        key = _key(parts[0], path, known, chosen)
        path, tree, parts = (*path, key), known.get(key), parts[1:]
    return path


def _key(part: str, path: Path, known: Mapping[str, Any], chosen: bool) -> str:
    if not chosen:
        return part.lower()
    for key in known:
        if _alike(str(key)) == _alike(part):
            return key
    if path[-1] == "env":
        return part
    # A variable's name cannot hold the hyphen, which providers and headers have instead of the underscore.
    return part.lower() if path[-1] == "mcp_servers" else part.lower().replace("_", "-")


def _alike(key: str) -> str:
    return key.lower().replace("-", "_")


def _value(text: str, annotation: Any) -> Any:
    """What a variable says. Text is taken as it is, unless it is quoted or null; the rest is YAML."""
    is_text = shape.core(annotation) is str
    if is_text and text not in ("null", "~") and not text.startswith(("'", '"')):
        return text
    return yaml.safe_load(text)


def _put(tree: dict[str, Any], path: Path, value: Any) -> bool:
    """Whether the value found its place; a file's mistake on the way there keeps it out, and is told of itself."""
    for key in path[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        if not isinstance(tree[key], dict):
            return False
        tree = tree[key]
    tree[path[-1]] = value
    return True
