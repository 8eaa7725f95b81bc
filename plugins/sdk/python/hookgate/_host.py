"""The calls to Hookgate, or their stand-ins where a plugin runs natively in a test."""

from __future__ import annotations

from typing import Protocol


class Host(Protocol):
    """What a plugin can ask of Hookgate."""

    def log(self, level: str, text: str) -> None:
        """Keeps a line; `level` is debug, info, warn or error."""

    def config(self) -> str:
        """JSON, `{}` where none was given."""
        ...

    def data_url(self) -> str:
        """See `data_url` below."""
        ...


class _Nowhere:
    """Until a component or a test puts something here."""

    def log(self, level: str, text: str) -> None:
        del level, text

    def config(self) -> str:
        return "{}"

    def data_url(self) -> str:
        return "https://hookgate.example/v1/events/evt_1/data?sig=test"


_host: Host = _Nowhere()


def use(host: Host) -> Host:
    """Takes `host` from now on, and gives back the one before."""
    global _host
    before, _host = _host, host
    return before


def data_url() -> str:
    """A signed address that answers with the whole event until it expires: the claim check to
    put into a small message instead of the data. It differs from call to call."""
    return _host.data_url()


def config() -> str:
    return _host.config()


def log(level: str, text: str) -> None:
    _host.log(level, text)
