"""`${NAME}` and `${NAME:-default}` in values, for what has no place in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aibridge.config.faults import Path, is_secret

# `$${` is a literal `${`. `${env:NAME}` is how some IDEs write it in mcp.json.
_REFERENCE = re.compile(r"\$\$\{|\$\{(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{[^}]*\}?")


class Malformed(Exception):
    """A reference that reads like none that we know."""


class Unset(Exception):
    """A reference to a variable that is not there, and no default."""


class Expansion:
    """One pass over a tree of values. What it met on its way stays here: `faults` by path, and the paths of values
    that came out of a variable which may hold a secret (`hidden`).
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: dict[Path, str] = {}
        self.hidden: set[Path] = set()

    def expand(self, value: Any, path: Path = ()) -> Any:
        """The value with every reference replaced; one with a fault stays as it is."""
        if isinstance(value, dict):
            return {key: self.expand(member, (*path, str(key))) for key, member in value.items()}
        if isinstance(value, list):
            return [self.expand(item, (*path, str(index))) for index, item in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._text(value, path)
        return value

    def _text(self, text: str, path: Path) -> str:
        try:
            return _REFERENCE.sub(lambda reference: self._replacement(reference, path), text)
        except (Malformed, Unset) as fault:
            if isinstance(fault, Unset) and "api_keys" in path:
                return ""  # and empty keys are dropped
            self.faults[path] = str(fault)
            return text

    def _replacement(self, reference: re.Match[str], path: Path) -> str:
        if reference[0] == "$${":
            return "${"
        name, default = reference["name"], reference["default"]
        if name is None:
            raise Malformed(f"{reference[0]} is neither ${{NAME}} nor ${{NAME:-default}}; a plain ${{ is written $${{")
        if is_secret((name,)):
            self.hidden.add(path)
        value = self._environ.get(name)
        if default is not None:
            return value or default  # as a shell does: empty counts as unset
        if value is None:
            raise Unset(f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}")
        return value
