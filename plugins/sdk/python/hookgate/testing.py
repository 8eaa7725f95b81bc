"""Stand-ins for Hookgate in a plugin's own tests, which run natively.

Nothing here reaches a built component::

    import unittest

    from hookgate import Drop, testing

    import plugin


    class OnlySmall(unittest.TestCase):
        def test_large_data_is_dropped(self) -> None:
            verdict = testing.run(plugin.handle, testing.event(b"[1,2]"), config={"max_data_bytes": 2})
            self.assertEqual(verdict, Drop("the data is too large"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from . import _host, _plugin
from ._event import Event
from ._json import dumps
from ._receiver import Request
from ._verdict import Headers

DATA_URL = "https://hookgate.example/v1/events/evt_1/data?sig=test"


def event(
    data: bytes | str | Mapping[str, Any] | list[Any] = b"{}",
    *,
    type: str = "test.event",
    id: str = "evt_1",
    source: str = "test",
    subject: str | None = None,
    time_ms: int = 1_700_000_000_000,
    tenant: str = "default",
    key: str | None = None,
    content_type: str = "application/json",
    attributes: dict[str, str] | None = None,
) -> Event:
    """An event with these data: bytes and text as they are, a dict or a list as JSON."""
    return Event(
        id=id,
        source=source,
        type=type,
        time_ms=time_ms,
        tenant=tenant,
        content_type=content_type,
        data=_bytes(data),
        subject=subject,
        key=key,
        attributes=attributes or {},
    )


def request(
    body: bytes | str | Mapping[str, Any] | list[Any] = b"",
    *,
    method: str = "POST",
    path: str = "/",
    query: str = "",
    headers: Headers = (),
    secret: str | None = None,
    received_ms: int = 1_700_000_000_000,
) -> Request:
    """A request with this body; names of headers come out in lower case, as in production."""
    pairs = cast("Iterable[Any]", headers.items() if isinstance(headers, Mapping) else headers)
    return Request(
        method=method,
        path=path,
        query=query,
        headers=[(name.lower(), value) for name, value in pairs],
        body=_bytes(body),
        received_ms=received_ms,
        secret=secret,
    )


def run(function: Callable[..., Any], *inputs: Any, config: Any = None) -> Any:
    """Calls a registered function as Hookgate would: the config is read as in production, and
    exceptions become the failure that Hookgate would record.

    Raises `hookgate.Failure`, and TypeError where `function` is not registered.
    """
    for each in _plugin.registered.values():
        if each.function is function:
            break
    else:
        raise TypeError(f"{function!r} is not registered: decorate it, as with @hookgate.transform")
    host = _StandIn("{}" if config is None else dumps(config).decode())
    before = _host.use(host)
    try:
        return each.call(*inputs)
    finally:
        _lines.extend(host.lines)
        _host.use(before)


def set_data_url(url: str) -> None:
    """What `hookgate.data_url()` gives in `run` from now on."""
    global _data_url
    _data_url = url


def take_log() -> list[str]:
    """The lines logged in `run` so far, such as `info: 3 members kept`; empties them."""
    taken = _lines[:]
    _lines.clear()
    return taken


_data_url = DATA_URL
_lines: list[str] = []


class _StandIn:
    def __init__(self, config: str) -> None:
        self._config = config
        self.lines: list[str] = []

    def log(self, level: str, text: str) -> None:
        self.lines.append(f"{level}: {text}")

    def config(self) -> str:
        return self._config

    def data_url(self) -> str:
        return _data_url


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    return dumps(data)
