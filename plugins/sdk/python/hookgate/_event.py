"""The event that a plugin sees."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from ._failure import UnusableEvent
from ._json import dumps, loads

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def text_of(data: bytes, what: str) -> str:
    """The text in `data`; UnusableEvent where it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnusableEvent(f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None


def value_of(data: bytes, what: str) -> Any:
    """The JSON value in `data`; UnusableEvent where there is none."""
    try:
        return loads(text_of(data, what))
    except ValueError as error:
        raise UnusableEvent(f"{what} is not JSON: {error}") from None


def time_of(time_ms: int) -> datetime:
    """`time_ms` as a date in UTC."""
    return _EPOCH + timedelta(milliseconds=time_ms)


@dataclass(frozen=True)
class Event:
    """One event, as its source sent it and as Hookgate stored it."""

    id: str
    """Unique within its tenant and source. A retry carries the same id."""
    source: str
    """Where it comes from, for example `shop/orders`."""
    type: str
    """What happened, in dotted words, for example `invoice.paid`."""
    time_ms: int
    """When it happened, in milliseconds since 1970-01-01T00:00:00Z."""
    tenant: str
    """Whose event it is."""
    content_type: str
    """Media type of `data`, for example `application/json`."""
    data: bytes
    """The stored bytes, untouched. After another plugin: that plugin's result."""
    subject: str | None = None
    """What it happened to, where the source says so."""
    key: str | None = None
    """What keeps related events in order, for example a customer's number."""
    attributes: dict[str, str] = field(default_factory=dict)
    """Extensions of the event, in the order of the source."""

    def json(self) -> Any:
        """The data, read as JSON. Numbers keep their digits on the way out again.

        Raises UnusableEvent with the place of the mistake.
        """
        return value_of(self.data, "data")

    def text(self) -> str:
        """The data as text. Raises UnusableEvent where it is not UTF-8."""
        return text_of(self.data, "data")

    @property
    def time(self) -> datetime:
        """When it happened, in UTC."""
        return time_of(self.time_ms)

    def with_data(self, data: bytes | str) -> Event:
        """The same event with other data."""
        return replace(self, data=data.encode() if isinstance(data, str) else data)

    def with_json(self, value: Any) -> Event:
        """The same event with `value` as its data."""
        return replace(self, data=dumps(value))
