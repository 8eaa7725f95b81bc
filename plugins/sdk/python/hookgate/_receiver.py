"""A webhook of a provider, and what a receiver makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ._event import text_of, time_of, value_of
from ._json import dumps


@dataclass(frozen=True)
class Request:
    """A request as it arrived at the address of a source."""

    method: str
    """Upper case, for example `POST`."""
    path: str
    """What follows the source's own address, at least `/`."""
    query: str
    """Without the question mark, still encoded; empty where there is none."""
    headers: list[tuple[str, str]]
    """In the order of arrival, names in lower case."""
    body: bytes
    """The bytes that a signature covers."""
    received_ms: int
    """When it arrived, in milliseconds since 1970-01-01T00:00:00Z: what to compare a signed
    timestamp with."""
    secret: str | None = None
    """The source's secret, where one was set."""

    def header(self, name: str) -> str | None:
        """The first value of the header `name`, in any case of letters."""
        wanted = name.lower()
        return next((value for found, value in self.headers if found == wanted), None)

    def json(self) -> Any:
        """The body, read as JSON. Raises UnusableEvent with the place of the mistake."""
        return value_of(self.body, "body")

    def text(self) -> str:
        """The body as text. Raises UnusableEvent where it is not UTF-8."""
        return text_of(self.body, "body")

    @property
    def received_at(self) -> datetime:
        """When it arrived, in UTC."""
        return time_of(self.received_ms)


@dataclass(frozen=True)
class Draft:
    """An event to be stored. What is left out, Hookgate fills in."""

    type: str
    """In dotted words, for example `invoice.paid`."""
    data: bytes | str
    content_type: str = "application/json"
    """Media type of `data`."""
    id: str | None = None
    """The provider's id, so that its repeats are known as repeats."""
    subject: str | None = None
    key: str | None = None
    time_ms: int | None = None
    """In milliseconds since 1970-01-01T00:00:00Z; else the time of arrival."""

    @classmethod
    def json(
        cls,
        type: str,
        value: Any,
        *,
        id: str | None = None,
        subject: str | None = None,
        key: str | None = None,
        time_ms: int | None = None,
    ) -> Draft:
        """An event with `value` as its data."""
        return cls(type, dumps(value), "application/json", id, subject, key, time_ms)


@dataclass(frozen=True)
class Response:
    """An answer that the provider waits for."""

    body: bytes | str = b""
    content_type: str = "text/plain"
    status: int = 200


@dataclass(frozen=True)
class Accepted:
    """Genuine: store these events, then answer 2xx. May be empty."""

    drafts: Sequence[Draft] = field(default=())


@dataclass(frozen=True)
class Challenge:
    """A challenge: give this answer and store nothing."""

    response: Response


@dataclass(frozen=True)
class Rejected:
    """Not genuine, or not readable: answer 4xx. The reason stays with Hookgate."""

    reason: str


Reception = Accepted | Challenge | Rejected
"""What a receiver answers."""
