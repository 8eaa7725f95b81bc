"""Write Hookgate plugins in Python.

A plugin is a function of an event and a config. There is no clock, no network and no file,
so what a test shows natively is what happens in production::

    from dataclasses import dataclass

    import hookgate
    from hookgate import Drop, Event, Pass, Verdict


    @dataclass
    class Config:
        max_data_bytes: int


    @hookgate.transform
    def handle(event: Event, config: Config) -> Verdict:
        if len(event.data) > config.max_data_bytes:
            return Drop("the data is too large")
        return Pass()

Build it with ``hookgate plugin build``. An exception ends one call and becomes a failure that
names it; it never ends the instance.
"""

from . import log
from ._event import Event
from ._failure import AgainLater, Failure, InvalidConfig, UnusableEvent
from ._host import data_url
from ._json import dumps as json_bytes
from ._json import loads as json_value
from ._plugin import filter, fold, receiver, transform
from ._receiver import (
    Accepted,
    Challenge,
    Draft,
    Reception,
    Rejected,
    Request,
    Response,
)
from ._verdict import Deliver, Drop, Headers, Message, Pass, Replace, Verdict

__all__ = [
    "Accepted",
    "AgainLater",
    "Challenge",
    "Deliver",
    "Draft",
    "Drop",
    "Event",
    "Failure",
    "Headers",
    "InvalidConfig",
    "Message",
    "Pass",
    "Reception",
    "Rejected",
    "Replace",
    "Request",
    "Response",
    "UnusableEvent",
    "Verdict",
    "data_url",
    "filter",
    "fold",
    "json_bytes",
    "json_value",
    "log",
    "receiver",
    "transform",
]
