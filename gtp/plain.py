"""Dataclasses from JSON, held against their type hints: files are read by the classes of the configuration.

Studies are read by gtp.studies.reading, which suggests names but needs pydantic: a machine that trains may
have none.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gtp.errors import shorten

T = TypeVar("T")
NAMES = {
    int: "a whole number",
    float: "a finite number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}
TEXT_LIMIT = 1000
"""Characters of the longest text; it is a name, a label or a digest."""


def build(kind: type[T], data: Any, where: str = "") -> T:
    """An instance of the dataclass `kind` from what JSON returned; messages call it `where`.

    Nothing is converted except whole numbers to floats and lists to tuples.
    Raises: ValueError, one line, for unknown, missing and mistyped fields, and what the class itself refuses.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"{where or 'it'} is {shorten(data)} where a mapping is expected")
    declared = fields(kind)  # type: ignore[arg-type]
    prefix, known = f"{where}." if where else "", {field.name: field for field in declared if field.init}
    for name in data:
        if name not in known:
            raise ValueError(f"{prefix}{shorten(name)} is unknown")
    hints, values = get_type_hints(kind), {}
    for name, field in known.items():
        if name in data:
            values[name] = conform(hints[name], data[name], f"{prefix}{name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{prefix}{name} is missing")
    return kind(**values)


def conform(hint: Any, value: Any, where: str) -> Any:
    """The value as the hint has it. Raises ValueError when it is another type's."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _conform_to_one(args, value, where)
    if origin is Literal:
        if not any(type(value) is type(choice) and value == choice for choice in args):
            raise ValueError(
                f"{where} is {shorten(value)} where one of {', '.join(map(str, args))} is expected"
            )
        return value
    if isinstance(hint, type) and is_dataclass(hint):
        return build(hint, value, where)
    if origin is tuple and isinstance(value, list | tuple):
        hints = [args[0]] * len(value) if args[-1] is ... else args
        if len(hints) != len(value):
            raise ValueError(f"{where} has {len(value)} entries where {len(hints)} are expected")
        pairs = enumerate(zip(hints, value, strict=True))
        return tuple(conform(own, item, f"{where}[{i}]") for i, (own, item) in pairs)
    if origin in (list, Sequence) and isinstance(value, list | tuple):
        return [conform(args[0], item, f"{where}[{i}]") for i, item in enumerate(value)]
    if origin in (dict, Mapping) and isinstance(value, Mapping):
        return {key: conform(args[1], item, f"{where}.{shorten(key)}") for key, item in value.items()}
    if hint is float and type(value) in (int, float) and -1e308 < value < 1e308:
        return float(value)
    if hint in (int, str, bool, type(None)) and type(value) is hint:
        if hint is str and len(value) > TEXT_LIMIT:
            raise ValueError(f"{where} is {shorten(value)}, longer than {TEXT_LIMIT} characters")
        return value
    raise ValueError(f"{where} is {shorten(value)} where {NAMES.get(hint, 'a list or mapping')} is expected")


def _conform_to_one(hints: Sequence[Any], value: Any, where: str) -> Any:
    """`conform` for a union: the first member that fits, else what is wrong for the last one but null."""
    problem: ValueError | None = None
    for hint in hints:
        try:
            return conform(hint, value, where)
        except ValueError as error:
            if problem is None or hint is not type(None):
                problem = error
    assert problem is not None  # since a union has members
    raise problem
