"""JSON in and out without losing digits.

Python reads whole numbers exactly, but rounds the others to binary and writes them in a form
of its own. A number that would not come out as it came in keeps its text here, so that what a
plugin passes on is what the source sent.
"""

from __future__ import annotations

import json
import operator
import re
from itertools import accumulate
from json.encoder import encode_basestring
from typing import Any


MAX_DEPTH = 128
"""Levels of arrays and objects that are read. A component's stack is small, and data that is
nested deeper would end the instance instead of the call."""

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class _Number(float):
    """A float that remembers how it was written. It counts like any other float."""

    __slots__ = ("text",)
    text: str


# Whether a `_Number` was ever made: as long as none was, the fast writer of json will do.
# It decides about speed and never about the result.
_numbers_were_made = False


def _number(text: str) -> float:
    value = float(text)
    if repr(value) == text:
        return value
    global _numbers_were_made
    _numbers_were_made = True
    number = _Number(value)
    number.text = text
    return number


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_float=_number, parse_constant=_refuse)
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loads(data: bytes | str) -> Any:
    """The value of JSON text.

    Raises ValueError with the place where `data` is not JSON or not UTF-8, and where it is
    nested deeper than `MAX_DEPTH`.
    """
    text = data if isinstance(data, str) else bytes(data).decode("utf-8")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels of arrays and objects")
    return _decoder.decode(text)


def _depth(text: str) -> int:
    outside_strings = _STRING.sub(b"", text.encode("utf-8", "replace"))
    brackets = outside_strings.translate(None, _ALL_BUT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets), operator.add), default=0)


def dumps(value: Any) -> bytes:
    """`value` as JSON in UTF-8, without spaces, members in the order of the dict.

    Raises TypeError or ValueError where it has no JSON form.
    """
    if _numbers_were_made:
        pieces: list[str] = []
        _write(value, pieces)
        text = "".join(pieces)
    else:
        text = _encoder.encode(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair came in as an escape, and can leave as an escape only.
        return text.encode("utf-8", "hookgate_escape")


def _write(value: Any, pieces: list[str]) -> None:
    if isinstance(value, _Number):
        pieces.append(value.text)
    elif isinstance(value, str):
        pieces.append(encode_basestring(value))
    elif isinstance(value, dict):
        comma = "{"
        for key, member in value.items():
            pieces.append(f"{comma}{_name(key)}:")
            _write(member, pieces)
            comma = ","
        pieces.append("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        comma = "["
        for member in value:
            pieces.append(comma)
            _write(member, pieces)
            comma = ","
        pieces.append("]" if value else "[]")
    else:
        pieces.append(_encoder.encode(value))


def _name(key: Any) -> str:
    if isinstance(key, str):
        return str(encode_basestring(key))
    # Numbers and such become text by json's rules, which refuse all else.
    return _encoder.encode({key: 0}).removeprefix("{").removesuffix(":0}")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    rest = error.object[error.start : error.end]
    return "".join(f"\\u{ord(half):04x}" for half in rest), error.end


def _register() -> None:
    import codecs

    codecs.register_error("hookgate_escape", _escape)


_register()
