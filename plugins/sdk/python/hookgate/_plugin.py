"""What an author registers, and how a call of Hookgate becomes a call of it.

Functions and not objects on purpose: an instance serves one batch of one subscription and is
thrown away, so there is nowhere to keep state between events.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from . import _config, _host, _trace
from ._event import Event
from ._failure import Failure, InvalidConfig, UnusableEvent
from ._receiver import Accepted, Challenge, Reception, Rejected
from ._verdict import Deliver, Drop, Pass, Replace, Verdict

_TransformFn = TypeVar("_TransformFn", bound=Callable[..., Verdict])
_FilterFn = TypeVar("_FilterFn", bound=Callable[..., bool])
_FoldFn = TypeVar("_FoldFn", bound=Callable[..., Event])
_ReceiverFn = TypeVar("_ReceiverFn", bound=Callable[..., Reception])


@dataclass(frozen=True)
class Kind:
    """One of the four things that a plugin can be."""

    name: str
    inputs: int
    answers: tuple[type, ...]
    answer_text: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("transform", 1, (Pass, Drop, Replace, Deliver), "Pass, Drop, Replace or Deliver"),
        Kind("filter", 1, (bool,), "True or False"),
        Kind("fold", 2, (Event,), "an Event"),
        Kind("receiver", 1, (Accepted, Challenge, Rejected), "Accepted, Challenge or Rejected"),
    )
}


@dataclass(frozen=True)
class Registered:
    """A function of the author with what it expects."""

    kind: Kind
    function: Callable[..., Any]
    reader: _config.Reader | None

    def call(self, *inputs: Any) -> Any:
        """Its answer, of one of the kind's types. Raises nothing but `Failure`."""
        try:
            arguments = inputs if self.reader is None else (*inputs, _read_config(self.reader))
            _refuse_config_of_nobody()
            answer = self.function(*arguments)
            return self._checked(answer)
        except Failure:
            raise
        except BaseException as error:
            _host.log("error", _trace.of(error))
            raise UnusableEvent(_trace.headline(error)) from error

    def _checked(self, answer: Any) -> Any:
        if isinstance(answer, self.kind.answers):
            return answer
        found = "nothing" if answer is None else f"{type(answer).__name__} {answer!r:.60}"
        name = getattr(self.function, "__name__", self.kind.name)
        raise UnusableEvent(f"{name} returned {found}: return {self.kind.answer_text}")


registered: dict[str, Registered] = {}

_configs: dict[_config.Reader, tuple[str, Any]] = {}


def _read_config(reader: _config.Reader) -> Any:
    """Parsed once for each instance, as the text of a subscription stays the same."""
    text = _host.config()
    known = _configs.get(reader)
    if known and known[0] == text:
        return known[1]
    value = _config.read(text, reader)
    _configs[reader] = (text, value)
    return value


def _refuse_config_of_nobody() -> None:
    if any(each.reader is not None for each in registered.values()):
        return
    if _config.read(_host.config(), _config.reader_for(Any)) != {}:
        raise InvalidConfig("this plugin takes no config: leave it out")


def register(name: str, function: Callable[..., Any]) -> Registered:
    """Reads the signature of `function`; mistakes in it are TypeErrors, seen in the build."""
    kind = KINDS[name]
    shown = getattr(function, "__name__", repr(function))
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"{shown} must be a plain function: a plugin has nothing to wait for")
    parameters = list(inspect.signature(function).parameters.values())
    if not kind.inputs <= len(parameters) <= kind.inputs + 1:
        wanted = "earlier, later" if kind.inputs == 2 else _input_of(kind)
        raise TypeError(f"{shown} must take ({wanted}) or ({wanted}, config)")
    reader = None
    if len(parameters) > kind.inputs:
        reader = _config.reader_for(_annotation(function, parameters[-1].name))
    return Registered(kind, function, reader)


def _input_of(kind: Kind) -> str:
    return "request" if kind.name == "receiver" else "event"


def _annotation(function: Callable[..., Any], parameter: str) -> Any:
    return typing.get_type_hints(function).get(parameter, Any)


def _add(name: str, function: Callable[..., Any]) -> None:
    if name in registered:
        raise TypeError(f"a plugin has one {name}, and there are two")
    registered[name] = register(name, function)


def transform(function: _TransformFn) -> _TransformFn:
    """Registers `function(event)` or `function(event, config)` that answers with a `Verdict`.

    Called once for each event that the subscription matches. The annotation of `config` says
    how it is read: a dataclass strictly, a dict as it is.
    """
    _add("transform", function)
    return function


def filter(function: _FilterFn) -> _FilterFn:
    """Registers `function(event)` or `function(event, config)`: True lets the event on, False
    drops the delivery. It is asked before the transform of the same plugin."""
    _add("filter", function)
    return function


def fold(function: _FoldFn) -> _FoldFn:
    """Registers `function(earlier, later)` or `function(earlier, later, config)` that answers
    with the event to deliver instead of both. Id, source, type, tenant and key of the result
    are those of `later`, whatever is returned in them."""
    _add("fold", function)
    return function


def receiver(function: _ReceiverFn) -> _ReceiverFn:
    """Registers `function(request)` or `function(request, config)` that answers with a
    `Reception`: what a provider's webhook turned out to be."""
    _add("receiver", function)
    return function
