"""From a file and the environment to settings, or to the list of all that is wrong with them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aibridge.config import document, environment, faults
from aibridge.config.expansion import Expansion
from aibridge.config.faults import ConfigError
from aibridge.config.settings import Settings

DEFAULT_FILE = Path("aibridge.yaml")
DEFAULT_PROVIDERS: Mapping[str, Any] = {
    "openai": {"api_keys": ["${OPENAI_API_KEY}"]},
    "anthropic": {"api_keys": ["${ANTHROPIC_API_KEY}"]},
}


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of a file and of `environ`, which wins. `path` None: ./aibridge.yaml if present, else the defaults.

    Raises ConfigError with a line for each fault.
    """
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    file = {} if path is None else document.read(_text(path), str(path))
    return _settings(file, "defaults" if path is None else str(path), environ)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 text: byte {error.start} is no part of any") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _settings(file: dict[str, Any], source: str, environ: Mapping[str, str]) -> Settings:
    tree = _with_defaults(file, source)
    origins, lines = environment.overlay(tree, Settings, environ)
    expansion = Expansion(environ)
    tree = expansion.expand(tree)
    origin = _origin(file, source, origins)
    lines += [faults.line(origin(path), path, message) for path, message in expansion.faults.items()]
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        errors = [one for one in error.errors() if tuple(map(str, one["loc"])) not in expansion.faults]
        lines += faults.tell(errors, Settings, origin, expansion.hidden)
    else:
        if not lines:
            return settings
    raise ConfigError(*lines) from None  # the validation's own text would show values


def _with_defaults(file: dict[str, Any], source: str) -> dict[str, Any]:
    """A copy of the file's settings to build on, with the one default that is more than a value."""
    tree = copy.deepcopy(file)
    if "mcpServers" in tree:
        if "mcp_servers" in tree:
            raise ConfigError(f"{source}: mcpServers: means the same as mcp_servers: write only one of them")
        tree["mcp_servers"] = tree.pop("mcpServers")
    if tree.get("providers") is None:
        tree["providers"] = copy.deepcopy(dict(DEFAULT_PROVIDERS))
    return tree


def _origin(file: dict[str, Any], source: str, origins: Mapping[faults.Path, str]) -> Callable[[faults.Path], str]:
    """Tells where the value behind a path comes from: the file, or a variable of the environment."""

    def origin(path: faults.Path) -> str:
        for known, variable in origins.items():
            if path[: len(known)] == known or (known[: len(path)] == path and not _holds(file, path)):
                return variable
        return source

    return origin


def _holds(tree: Any, path: faults.Path) -> bool:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True
