"""Turns what a plugin can't have into exceptions that say so.

There is no clock, no randomness and no file in a component. Python would meet the missing
system call and end the instance, with nothing in the record that tells why. What stands here
answers first. It changes nothing before the first event: the build imports the author's
modules, and Python's library may read its files and its clock then.
"""

from __future__ import annotations

import datetime
import gc
import importlib
import logging
import os
import random
import sys
import time
import types
from collections.abc import Callable
from typing import Any

from . import _host

_CLOCK = "a plugin has no clock: use event.time_ms, or request.received_ms"
_RANDOM = "a plugin has no randomness: make what you need of event.id, as with hashlib"
_FILES = "a plugin has no files"
_NETWORK = "a plugin has no network"
_PROCESSES = "a plugin can't start programs"
_INPUT = "a plugin has no standard input"

# What Python imports by itself in the middle of a call, where no file can be read any more.
_LATE_IMPORTS = (
    "_strptime",
    "encodings.ascii",
    "encodings.base64_codec",
    "encodings.cp1252",
    "encodings.hex_codec",
    "encodings.idna",
    "encodings.iso8859_15",
    "encodings.latin_1",
    "encodings.utf_16",
    "encodings.utf_32",
    "encodings.utf_8_sig",
)

# A component's stack is 512 KiB, and calls of Python through C take up to 1.5 KiB each: with
# the usual 1000 the instance would end before the exception came.
_MAX_RECURSION = 300

_is_running = False


def prepare() -> None:
    """Puts the answers in place, before the author's module is imported."""
    for module in _LATE_IMPORTS:
        importlib.import_module(module)
    _stop_clocks()
    _stop_randomness()
    for name in ("stat", "lstat", "access", "readlink", "statvfs"):
        _guard(os, name, OSError, _FILES)
    _adopt_logging()
    sys.addaudithook(_audit)
    sys.stdout, sys.stderr = _Lines(sys.stdout), _Lines(sys.stderr)
    sys.stdin = None


def close() -> None:
    """From now on nothing but the event and the config is there."""
    global _is_running
    if not _is_running:
        sys.setrecursionlimit(_MAX_RECURSION)
    _is_running = True


def _guard(owner: Any, name: str, error: type[Exception], why: str) -> None:
    """Lets `owner.name` raise once events run."""
    real = getattr(owner, name, None)
    if real is not None:
        setattr(owner, name, _guarded(real, error, why))


def _guarded(real: Callable[..., Any], error: type[Exception], why: str) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if _is_running:
            raise error(why)
        return real(*args, **kwargs)

    guarded.__name__ = getattr(real, "__name__", "guarded")
    return guarded


def _stop_clocks() -> None:
    names = ["sleep", "clock_gettime", "clock_gettime_ns", "get_clock_info"]
    for clock in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        names += [clock, f"{clock}_ns"]
    for name in names:
        _guard(time, name, RuntimeError, _CLOCK)
    # With a time given these only compute.
    for name, given in (("localtime", 1), ("gmtime", 1), ("ctime", 1), ("strftime", 2)):
        setattr(time, name, _only_with(getattr(time, name), given))
    # The types of datetime are closed to setattr, and isinstance needs them as they are.
    for owner, name in ((datetime.datetime, "now"), (datetime.datetime, "utcnow")):
        members = gc.get_referents(owner.__dict__)[0]
        members[name] = classmethod(_clock_of(owner, name))


def _only_with(real: Callable[..., Any], given: int) -> Callable[..., Any]:
    def guarded(*args: Any) -> Any:
        if _is_running and (len(args) < given or args[given - 1] is None):
            raise RuntimeError(_CLOCK)
        return real(*args)

    return guarded


def _clock_of(owner: type, name: str) -> Callable[..., Any]:
    # Bound to datetime itself: a subclass gets its own again by the arguments.
    real = owner.__dict__[name]

    def guarded(cls: type, *args: Any, **kwargs: Any) -> Any:
        if _is_running:
            raise RuntimeError(_CLOCK)
        return real.__get__(None, cls)(*args, **kwargs)

    return guarded


def _stop_randomness() -> None:
    for name in ("urandom", "getrandom"):
        _guard(os, name, RuntimeError, _RANDOM)
    for name in random.__all__:
        # The module's own functions share a state that is the build's; with a seed of their
        # own, objects of random.Random stay usable.
        if isinstance(getattr(random, name), (types.MethodType, types.BuiltinMethodType)):
            _guard(random, name, RuntimeError, _RANDOM)
    _guard(random, "_urandom", RuntimeError, _RANDOM)
    real_seed = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if _is_running and a is None:
            raise RuntimeError(_RANDOM)
        real_seed(self, a, version)

    random.Random.seed = seed  # type: ignore[method-assign]


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _is_running:
        return
    if event == "import":
        raise ImportError(f"nothing can be loaded now: import {args[0]} at the top of the file")
    family = event.partition(".")[0]
    if event == "open" or family in ("shutil", "tempfile", "glob", "pathlib", "fcntl", "mmap"):
        raise OSError(_FILES)
    if family in ("socket", "urllib", "http", "ftplib", "smtplib", "ssl"):
        raise OSError(_NETWORK)
    if family == "subprocess" or event.startswith(("os.system", "os.exec", "os.fork", "os.posix")):
        raise OSError(_PROCESSES)
    if family == "os":
        raise OSError(_FILES)
    if event == "builtins.input":
        raise RuntimeError(_INPUT)


def _adopt_logging() -> None:
    """Sends the records of Python's own logging to the log, without a time in them."""
    no_time = types.SimpleNamespace(time=lambda: 0.0, time_ns=lambda: 0)
    setattr(logging, "time", no_time)
    logging.basicConfig(level=logging.INFO, handlers=[_LogHandler()], format="%(message)s")


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR:
            level = "error"
        elif record.levelno >= logging.WARNING:
            level = "warn"
        else:
            level = "info" if record.levelno >= logging.INFO else "debug"
        _host.log(level, self.format(record))


class _Lines:
    """A standard stream whose lines go to the log once events run."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, before: Any) -> None:
        self._before = before
        self._open_line = ""

    def write(self, text: str) -> int:
        if not _is_running:
            return int(self._before.write(text))
        *lines, self._open_line = (self._open_line + text).split("\n")
        for line in lines:
            _host.log("debug", line)
        return len(text)

    def flush(self) -> None:
        if not _is_running:
            self._before.flush()
        elif self._open_line:
            line, self._open_line = self._open_line, ""
            _host.log("debug", line)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False


def flush() -> None:
    """Hands on what was printed without an end of line: the call it belongs to ends."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Lines):
            stream.flush()
