"""Reads a subscription's config into what a plugin asks for by its annotation.

A dataclass is read strictly: a member that is missing, unknown or of another type is refused
with its place, because a misspelt key that is ignored shows itself in production only.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, Union

from ._failure import InvalidConfig
from ._json import loads

Reader = Callable[[Any, str], Any]
"""Turns a JSON value into what was asked for; the text says where in the config it stands."""


class UnreadableType(TypeError):
    """An annotation that no JSON value can be read into: a mistake of the plugin's author."""


def read(text: str, reader: Reader) -> Any:
    """The config in `text`. Raises InvalidConfig with the place of the first mistake."""
    try:
        value = loads(text)
    except ValueError as error:
        raise InvalidConfig(f"the config is not JSON: {error}") from None
    return reader(value, "")


def reader_for(wanted: Any) -> Reader:
    """A reader for an annotation. Raises UnreadableType where there can be none."""
    if wanted in (Any, object):
        return lambda value, place: value
    if wanted in _PLAIN:
        return _plain(wanted)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _dataclass(wanted)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return _one_of({member.value: member for member in wanted})
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Literal:
        return _one_of({value: value for value in arguments})
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if wanted in (list, tuple) or origin in (list, tuple):
        return _list(wanted, origin or wanted, arguments)
    if wanted is dict or origin is dict:
        return _dict(wanted, arguments)
    if origin is typing.Annotated:
        return reader_for(arguments[0])
    raise UnreadableType(
        f"no JSON value can be read as {_shown(wanted)}: use str, int, float, bool, None, list, "
        "dict, Literal, an Enum, a union of these, or a dataclass of them"
    )


_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a string"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    bool: ((bool,), "true or false"),
    type(None): ((type(None),), "null"),
    None: ((type(None),), "null"),
}


def _plain(wanted: Any) -> Reader:
    accepted, name = _PLAIN[wanted]

    def read_plain(value: Any, place: str) -> Any:
        # A bool is an int for Python, and not for anybody who writes a config.
        if isinstance(value, accepted) and isinstance(value, bool) == (wanted is bool):
            return value
        raise _expected(name, value, place)

    return read_plain


def _one_of(choices: dict[Any, Any]) -> Reader:
    name = " or ".join(_json(choice) for choice in choices)

    def read_choice(value: Any, place: str) -> Any:
        for choice, result in choices.items():
            if type(choice) is type(value) and choice == value:
                return result
        raise _expected(name, value, place)

    return read_choice


def _union(alternatives: tuple[Any, ...]) -> Reader:
    readers = [reader_for(alternative) for alternative in alternatives]

    def read_union(value: Any, place: str) -> Any:
        mistakes = []
        for reader in readers:
            try:
                return reader(value, place)
            except InvalidConfig as mistake:
                mistakes.append(mistake)
        raise _most_telling(mistakes, value, place)

    return read_union


def _most_telling(mistakes: list[InvalidConfig], value: Any, place: str) -> InvalidConfig:
    """The mistake deepest inside, as there the author's meaning was clearest."""
    here = [mistake for mistake in mistakes if isinstance(mistake, _Expected)]
    if len(here) < len(mistakes):
        return next(mistake for mistake in mistakes if not isinstance(mistake, _Expected))
    inner = [mistake for mistake in here if mistake.place != place]
    if inner:
        return inner[0]
    return _expected(" or ".join(mistake.wanted for mistake in here), value, place)


def _list(wanted: Any, origin: Any, arguments: tuple[Any, ...]) -> Reader:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        raise UnreadableType(f"write tuple[…, ...] or list[…] instead of {_shown(wanted)}")
    item = reader_for(arguments[0] if arguments else Any)

    def read_list(value: Any, place: str) -> Any:
        if not isinstance(value, list):
            raise _expected("an array", value, place)
        return origin(item(each, f"{place}[{index}]") for index, each in enumerate(value))

    return read_list


def _dict(wanted: Any, arguments: tuple[Any, ...]) -> Reader:
    if arguments and arguments[0] is not str:
        raise UnreadableType(f"JSON objects have names of type str: {_shown(wanted)}")
    member = reader_for(arguments[1] if arguments else Any)

    def read_dict(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise _expected("an object", value, place)
        return {name: member(each, _inside(place, name)) for name, each in value.items()}

    return read_dict


def _dataclass(wanted: type) -> Reader:
    hints = typing.get_type_hints(wanted)
    fields = {field.name: field for field in dataclasses.fields(wanted) if field.init}
    readers = {name: reader_for(hints[name]) for name in fields}
    needed = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]

    def read_dataclass(value: Any, place: str) -> Any:
        if not isinstance(value, dict):
            raise _expected("an object", value, place)
        for name in value:
            if name not in fields:
                known = ", ".join(fields) or "none"
                raise InvalidConfig(f"{_inside(place, name)}: unknown member, known are: {known}")
        for name in needed:
            if name not in value:
                raise InvalidConfig(f"{_inside(place, name)}: missing")
        members = {name: readers[name](each, _inside(place, name)) for name, each in value.items()}
        try:
            return wanted(**members)
        except (TypeError, ValueError) as error:
            # What a __post_init__ has against it.
            raise InvalidConfig(f"{place}: {error}" if place else str(error)) from None

    return read_dataclass


class _Expected(InvalidConfig):
    def __init__(self, wanted: str, text: str, place: str) -> None:
        super().__init__(text)
        self.wanted = wanted
        self.place = place


def _expected(wanted: str, value: Any, place: str) -> _Expected:
    found = _json(value)
    found = found if len(found) <= 60 else found[:60] + "…"
    text = f"expected {wanted}, found {found}"
    return _Expected(wanted, f"{place}: {text}" if place else text, place)


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _shown(wanted: Any) -> str:
    return wanted.__name__ if isinstance(wanted, type) else str(wanted)
