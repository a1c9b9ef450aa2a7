"""YAML into dataclasses; what is wrong with it is one line that names the file, the key and the remedy."""

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import pydantic
import yaml

from gtp.config import check_name
from gtp.errors import UserError, shorten, suggest
from gtp.studies.layers import KeyPath, Layers

T = TypeVar("T")
Place = str | Layers
"""A file, or several that make one study."""

EXPECTED = {  # pydantic's error types in the words of this project
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "dataclass_type": "a mapping",
}
GUIDE = "config/README.md"
"""Where the keys are explained."""
YAML_WORDS = " (YAML reads a bare on, off, yes or no as true or false: quote it)"


SIZE, DEPTH = 1 << 18, 20
"""Bytes of a file and levels of nesting; ours have 30 kB and 6."""


class _StrictLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word, and what stands at an anchor a thousandfold.

    This loader refuses equal keys, anchors and deep nesting.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(
                problem=f"write out '{shorten(event.anchor)[1:-1]}'; anchors (&, *) are not read",
                problem_mark=event.start_mark,
            )
        if self.depth == DEPTH:
            raise yaml.composer.ComposerError(
                problem=f"nested more than {DEPTH} levels deep", problem_mark=event.start_mark
            )
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    problem="a key must be a name", problem_mark=key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key '{key.value}' stands here twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises: UserError when there is none, a key is repeated, or the file is large, deep or has anchors.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(SIZE + 1)
        if len(content) > SIZE:
            raise UserError(f"{path} is larger than {SIZE >> 10} kB; a study, methods and tasks need less")
        data = yaml.load(content.decode("utf-8"), _StrictLoader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path} cannot be read: {reason}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{path}, line {mark.line + 1}: {error.problem[:200]}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {shorten(str(error), 200)[1:-1]}") from error
    except ValueError as error:  # of a date or a number that there is none
        raise UserError(f"{path} is not YAML: {shorten(str(error), 200)[1:-1]}") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise UserError(f"{path}: expected a mapping from names to values")
    return data


def parse(kind: type[T], data: Any, file: Place, path: KeyPath = ()) -> T:
    """An instance of the dataclass `kind` from plain data found in `file` at the key `path`.

    Nothing is converted except whole numbers to floats and lists to tuples; unknown keys are errors.
    Raises: UserError, one line, about the first thing that is wrong.
    """
    for keys, value in leaves(data):
        if isinstance(value, float) and value - value != 0.0:
            raise UserError(f"{place(file, path + keys)}: must be finite, got {value}")
    try:
        # JSON is the input form in which pydantic is strict about scalars but takes mappings for dataclasses.
        text = json.dumps(data, default=str)
        adapter = _adapter(kind)  # type: ignore[arg-type]  # a class is hashable
        return adapter.validate_json(text, strict=True, extra="forbid")
    except pydantic.ValidationError as error:
        raise UserError(_explain(error.errors(), kind, file, path)) from error
    except (ValueError, RecursionError) as error:  # of a number of thousands of digits
        raise UserError(f"{place(file, path)}: {shorten(str(error), 200)[1:-1]}") from error
    except UserError as error:  # of the dataclass itself
        raise UserError(f"{place(file, path, message=str(error))}: {error}") from error


@cache
def _adapter(kind: type[T]) -> pydantic.TypeAdapter[T]:
    return pydantic.TypeAdapter(kind)


def leaves(data: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every scalar in nested mappings and lists, with the keys that lead to it."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from leaves(value, (*path, index))
    else:
        yield path, data


def place(file: Place, path: KeyPath, *others: KeyPath, message: str = "") -> str:
    """Where something stands: the file and the dotted key path.

    Of several files the last one that has a setting there, at one of the `others` that it is held against, or
    that the `message` names (Layers.owner).
    """
    name = file if isinstance(file, str) else file.owner(path, *others, message=message)
    return f"{name}: {'.'.join(map(str, path))}" if path else name


def check_entry(name: str, file: str) -> None:
    """Raises UserError when the name of an entry cannot be part of a path or of a target."""
    try:
        check_name("the entry", name)
    except ValueError as error:
        raise UserError(f"{file}: {error}") from error


def _explain(errors: Sequence[Mapping[str, Any]], kind: type, file: Place, path: KeyPath) -> str:
    """The first of pydantic's errors in our words."""
    error = errors[0]
    value, context = error["input"], error.get("ctx", {})
    where = place(file, path + error["loc"], message=str(context.get("error", "")))
    match error["type"]:
        case "literal_error" if str(error["loc"][-1]).startswith("literal["):
            # A union, whose members pydantic names as if they were keys: the others' errors follow.
            field = error["loc"][:-1]
            others = [EXPECTED[e["type"]] for e in errors[1:] if e["loc"][:-1] == field]
            choices = " or ".join([context["expected"].replace("'", ""), *others])
            return f"{place(file, path + field)}: expected {choices}, got {shorten(value)}"
        case "unexpected_keyword_argument":
            advice = suggest(error["loc"][-1], _valid_keys(kind, error["loc"][:-1]), GUIDE)
            return f"{where}: unknown key; {advice}"
        case "missing":
            return f"{where} is missing"
        case "value_error":
            return f"{where}: {context['error']}"
        case "literal_error":
            choices = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            hint = YAML_WORDS if isinstance(value, bool) else ""
            return f"{where}: expected {' or '.join(choices)}, got {shorten(value)}{hint}"
        case known if known in EXPECTED:
            return f"{where}: expected {EXPECTED[known]}, got {shorten(value)}{_number_hint(known, value)}"
    return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, got {shorten(value)}"


def _valid_keys(kind: Any, location: KeyPath) -> list[str]:
    """Names that the mapping at `location` inside the dataclass `kind` may contain."""
    for key in location:
        if is_dataclass(kind):
            kind = get_type_hints(kind)[str(key)]
            if get_origin(kind) not in (Union, types.UnionType):
                continue
        # The one dataclass among what a setting may be, or what the entries of a mapping or list are.
        kind = next(part for part in get_args(kind) if is_dataclass(part))
    return [field.name for field in fields(kind)]


def _number_hint(error_type: str, value: Any) -> str:
    if error_type not in ("float_type", "int_type") or not isinstance(value, str):
        return ""
    try:
        return f" (YAML reads it as text: write {float(value)})"
    except ValueError:
        return ""
