"""Between the component's exports and the author's functions.

Only a build imports this: the bindings of `wit/` that it needs are made there. Whatever an
answer holds is checked here, as a value of a wrong type would end the instance.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeVar

import componentize_py_types as component
from wit_world.imports import host as wit_host
from wit_world.imports import types as wit

from . import _host, _plugin, _sandbox
from ._event import Event
from ._failure import AgainLater, Failure, InvalidConfig, UnusableEvent
from ._receiver import Accepted, Challenge, Draft, Request
from ._verdict import Deliver, Drop, Pass, Replace

_T = TypeVar("_T")

_HERE = os.path.dirname(__file__)
_MAX_U64 = 2**64 - 1
# Hookgate keeps less of each; these only bound what crosses over.
_MAX_LINE_CHARACTERS = 8 * 1024
_MAX_REASON_CHARACTERS = 4 * 1024


_REFUSED = "hookgate refuses: "
"""Starts what the build tells the author in one line."""
_BROKEN = "hookgate found: "
"""Starts what Python says about the author's own source."""


def load(module: str, exports: list[str]) -> None:
    """Imports the author's module, and checks that it is what `plugin.toml` says.

    Ends the build with a text for the kit where it is not.
    """
    _host.use(_Host())
    _sandbox.prepare()
    try:
        importlib.import_module(module)
    except BaseException as error:
        raise SystemExit(_BROKEN + _authors_part(error)) from None
    for name in exports:
        if name not in _plugin.registered:
            raise SystemExit(
                f"{_REFUSED}plugin.toml says that it exports {name}, and the source registers no "
                f"function for it: write @hookgate.{name} above one"
            )
    for name in _plugin.registered:
        if name not in exports:
            raise SystemExit(
                f"{_REFUSED}the source registers a {name} that plugin.toml does not export: write "
                f"exports = {_toml([*exports, name])} there, or leave it out"
            )


def _authors_part(error: BaseException) -> str:
    """The traceback from the author's module on, without what stands around it."""
    described = traceback.TracebackException.from_exception(error)
    frames = described.stack
    first = next((at for at, frame in enumerate(frames) if _is_authors(frame.filename)), len(frames))
    described.stack = traceback.StackSummary.from_list(
        [frame for frame in frames[first:] if not frame.filename.startswith(_HERE)]
    )
    return "".join(described.format(chain=False))


def _is_authors(filename: str) -> bool:
    return not filename.startswith((_HERE, os.path.dirname(traceback.__file__), "<frozen"))


def _toml(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


class Transform:
    """The export `transform`."""

    def handle(self, event: wit.Event) -> wit.Verdict:
        return _answer("transform", _verdict, _event_in(event))


class Filter:
    """The export `filter`."""

    def accepts(self, event: wit.Event) -> bool:
        return _answer("filter", bool, _event_in(event))


class Fold:
    """The export `fold`."""

    def fold(self, earlier: wit.Event, later: wit.Event) -> wit.Event:
        return _answer("fold", _event_out, _event_in(earlier), _event_in(later))


class Receiver:
    """The export `receiver`."""

    def receive(self, request: Any) -> Any:
        return _answer("receiver", _reception, _request_in(request))


class _Host:
    _levels = {
        "debug": wit.Level.DEBUG,
        "info": wit.Level.INFO,
        "warn": wit.Level.WARN,
        "error": wit.Level.ERROR,
    }

    def log(self, level: str, text: str) -> None:
        wit_host.log(self._levels[level], _clean(str(text)[:_MAX_LINE_CHARACTERS]))

    def config(self) -> str:
        return wit_host.config()

    def data_url(self) -> str:
        return wit_host.data_url()


def _answer(name: str, convert: Callable[[Any], _T], *inputs: Any) -> _T:
    _sandbox.close()
    try:
        return convert(_plugin.registered[name].call(*inputs))
    except Failure as failure:
        _fail(failure)
    finally:
        _sandbox.flush()


def _fail(failure: Failure) -> NoReturn:
    text = _clean(failure.text[:_MAX_REASON_CHARACTERS])
    if isinstance(failure, InvalidConfig):
        raise component.Err(wit.Failure_InvalidConfig(text)) from None
    if isinstance(failure, AgainLater):
        raise component.Err(wit.Failure_AgainLater(text)) from None
    raise component.Err(wit.Failure_UnusableEvent(text)) from None


def _event_in(event: wit.Event) -> Event:
    return Event(
        id=event.id,
        source=event.source,
        type=event.event_type,
        time_ms=event.time_ms,
        tenant=event.tenant,
        content_type=event.content_type,
        data=event.data,
        subject=event.subject,
        key=event.key,
        attributes={each.name: each.value for each in event.attributes},
    )


def _event_out(event: Event) -> wit.Event:
    return wit.Event(
        id=_text(event.id, "id"),
        source=_text(event.source, "source"),
        event_type=_text(event.type, "type"),
        subject=_optional(event.subject, "subject"),
        time_ms=_time(event.time_ms),
        tenant=_text(event.tenant, "tenant"),
        key=_optional(event.key, "key"),
        content_type=_text(event.content_type, "content_type"),
        data=_bytes(event.data, "data"),
        attributes=_pairs(event.attributes, "attributes"),
    )


def _verdict(verdict: Any) -> wit.Verdict:
    if isinstance(verdict, Pass):
        return wit.Verdict_Pass()
    if isinstance(verdict, Drop):
        return wit.Verdict_Drop(_text(verdict.reason, "reason")[:_MAX_REASON_CHARACTERS])
    if isinstance(verdict, Replace):
        return wit.Verdict_Replace(_bytes(verdict.data, "data"))
    assert isinstance(verdict, Deliver)
    message = verdict.message
    return wit.Verdict_Deliver(
        wit.Message(
            content_type=_text(message.content_type, "content_type"),
            body=_bytes(message.body, "body"),
            headers=_pairs(message.headers, "headers"),
        )
    )


def _request_in(request: Any) -> Request:
    return Request(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=[(each.name, each.value) for each in request.headers],
        body=request.body,
        received_ms=request.received_ms,
        secret=request.secret,
    )


def _reception(reception: Any) -> Any:
    wit_receiver = importlib.import_module("wit_world.exports.receiver")
    if isinstance(reception, Accepted):
        drafts = [_draft(draft, wit_receiver) for draft in reception.drafts]
        return wit_receiver.Reception_Accepted(drafts)
    if isinstance(reception, Challenge):
        response = reception.response
        status = response.status
        if not isinstance(status, int) or not 0 <= status <= 65_535:
            raise UnusableEvent(f"status must be an HTTP status, not {status!r:.60}")
        return wit_receiver.Reception_Challenge(
            wit_receiver.Response(
                status=status,
                content_type=_text(response.content_type, "content_type"),
                body=_bytes(response.body, "body"),
            )
        )
    reason = _text(reception.reason, "reason")[:_MAX_REASON_CHARACTERS]
    return wit_receiver.Reception_Rejected(reason)


def _draft(draft: Draft, wit_receiver: Any) -> Any:
    return wit_receiver.Draft(
        event_type=_text(draft.type, "type"),
        id=_optional(draft.id, "id"),
        subject=_optional(draft.subject, "subject"),
        key=_optional(draft.key, "key"),
        time_ms=None if draft.time_ms is None else _time(draft.time_ms),
        content_type=_text(draft.content_type, "content_type"),
        data=_bytes(draft.data, "data"),
    )


def _clean(text: str) -> str:
    """`text` without halves of surrogate pairs, which have no form in UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise UnusableEvent(f"{what} must be a str, not {type(value).__name__}")
    return _clean(value)


def _optional(value: Any, what: str) -> str | None:
    return None if value is None else _text(value, what)


def _bytes(value: Any, what: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    raise UnusableEvent(f"{what} must be bytes or a str, not {type(value).__name__}")


def _time(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value <= _MAX_U64:
        raise UnusableEvent(f"time_ms must be milliseconds since 1970, not {value!r:.60}")
    return int(value)


def _pairs(value: Any, what: str) -> list[wit.Attribute]:
    pairs: Iterable[Any] = value.items() if isinstance(value, Mapping) else value
    try:
        return [wit.Attribute(_text(name, what), _text(text, what)) for name, text in pairs]
    except (TypeError, ValueError):
        raise UnusableEvent(f"{what} must be a dict of str, or pairs of str") from None
