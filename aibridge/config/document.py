"""YAML text to plain values, stricter than YAML: a key stands once, and nothing holds itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from aibridge.config.faults import ConfigError, line

Path = tuple[str, ...]


def read(text: str, source: str) -> dict[str, Any]:
    """The settings in a YAML text. Raises ConfigError naming `source`, and lines and columns counted from one."""
    try:
        tree = _construct(text, source)
    except yaml.YAMLError as error:
        raise ConfigError(_syntax(error, source)) from None
    except RecursionError:
        raise ConfigError(f"{source}: no settings are nested so deeply") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: must be a mapping of settings such as `server: {{port: 8080}}`")
    return tree


def _construct(text: str, source: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        repeated = list(_repeated(node, source, (), ()))
        if repeated:
            raise ConfigError(*repeated)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _repeated(node: yaml.Node, source: str, path: Path, above: tuple[yaml.Node, ...]) -> Iterator[str]:
    """A line for each key that stands twice, anywhere."""
    if node in above:
        raise ConfigError(line(source, path, f"line {_line(node)}: an alias that holds itself"))
    if isinstance(node, yaml.MappingNode):
        yield from _repeated_keys(node, source, path)
    for key, child in _children(node):
        yield from _repeated(child, source, (*path, key), (*above, node))


def _repeated_keys(node: yaml.MappingNode, source: str, path: Path) -> Iterator[str]:
    first: dict[str, yaml.Node] = {}
    for key, _ in node.value:
        name = str(key.value)
        if first.setdefault(name, key) is not key:
            yield line(
                source, (*path, name), f"line {_line(key)}: this key stands in line {_line(first[name])} already"
            )


def _children(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(index), item) for index, item in enumerate(node.value))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax(error: yaml.YAMLError, source: str) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{source}: {where}no valid YAML: {problem}"
