"""What the schema says about a key path, so that the environment is read and faults are told by the same truth."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel


def core(annotation: Any) -> Any:
    """The annotation without its rules and without `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return core(get_args(annotation)[0])
    if origin in (Union, UnionType):
        alternatives = [choice for choice in get_args(annotation) if choice is not NoneType]
        return core(alternatives[0])
    return annotation


def is_section(annotation: Any) -> bool:
    """Whether its keys are fixed."""
    kind = core(annotation)
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def is_mapping(annotation: Any) -> bool:
    """Whether its keys are chosen by the user."""
    return get_origin(core(annotation)) is dict


def keys(annotation: Any) -> Mapping[str, Any]:
    """The fixed keys of a section with their annotations; empty for anything else."""
    if not is_section(annotation):
        return {}
    return {name: field.annotation for name, field in core(annotation).model_fields.items()}


def member(annotation: Any, key: str) -> Any:
    """The annotation behind one key; None where there is no such key."""
    if is_mapping(annotation):
        return get_args(core(annotation))[1]
    return keys(annotation).get(key)


def at(annotation: Any, path: tuple[str, ...]) -> Any:
    """The annotation behind a whole path; None where it leads nowhere."""
    for key in path:
        annotation = member(annotation, key)
    return annotation
