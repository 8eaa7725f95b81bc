"""What to do with an event: the answers of a transform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ._json import dumps

Headers = Mapping[str, str] | Iterable[tuple[str, str]]
"""Names with their values: a dict, or pairs where a name comes twice."""


@dataclass(frozen=True)
class Message:
    """What to send instead of the event."""

    body: bytes | str
    """What becomes the delivery's data; a str is sent as UTF-8."""
    content_type: str = "application/json"
    """Media type of `body`."""
    headers: Headers = ()
    """Added to the request. Names that Hookgate sets itself are refused."""

    @classmethod
    def json(cls, value: Any, headers: Headers = ()) -> Message:
        """A JSON body. Raises TypeError or ValueError where `value` has no JSON form."""
        return cls(dumps(value), "application/json", headers)


@dataclass(frozen=True)
class Pass:
    """Deliver the event as it is. Nothing is copied back."""


@dataclass(frozen=True)
class Drop:
    """Finish without delivering. Recorded with the reason, never retried."""

    reason: str


@dataclass(frozen=True)
class Replace:
    """Deliver these bytes as the event's data; all else stays."""

    data: bytes | str

    @classmethod
    def json(cls, value: Any) -> Replace:
        """Delivers `value`. Raises TypeError or ValueError where it has no JSON form."""
        return cls(dumps(value))


@dataclass(frozen=True)
class Deliver:
    """Deliver this body, of this content type, with these extra headers."""

    message: Message


Verdict = Pass | Drop | Replace | Deliver
"""What a transform answers."""
