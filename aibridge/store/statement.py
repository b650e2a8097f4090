"""A statement compiled once, for rows that are written many times a second."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, final

from sqlalchemy import Dialect, UpdateBase

Row = tuple[object, ...]


@final
class Statement:
    """A statement as the driver's text, and how a row becomes its parameters: see `engine.writing_directly`.

    `names` are those of the statement's parameters, in the order of a row's values; of one that stands twice the first
    value is taken.
    """

    def __init__(self, statement: UpdateBase, names: Sequence[str], dialect: Dialect) -> None:
        # Any: what every SQL compiler has, `Compiled` does not declare.
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(dict.fromkeys(names)))
        self.sql = str(compiled)
        names = list(names)
        self._in_order = itemgetter(*[names.index(name) for name in compiled.positiontup])
        types = [compiled.binds[name].type for name in compiled.positiontup]
        processors = [kind.dialect_impl(dialect).bind_processor(dialect) for kind in types]
        self._processors = [(place, process) for place, process in enumerate(processors) if process]

    def bind(self, row: Row) -> Row:
        """The parameters, in the form and the order that the driver takes."""
        values = list(self._in_order(row))
        for place, process in self._processors:
            values[place] = process(values[place])
        return tuple(values)
