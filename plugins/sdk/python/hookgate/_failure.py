"""Why a plugin could not do its work: exceptions that mean something to Hookgate.

Any other exception is an `UnusableEvent` that carries its type and message.
"""

from __future__ import annotations


class Failure(Exception):
    """One of `InvalidConfig`, `UnusableEvent` and `AgainLater`; raise those."""

    @property
    def text(self) -> str:
        """What the subscription's owner reads; Hookgate keeps 1 KiB of it."""
        return str(self)


class InvalidConfig(Failure):
    """The subscription's config is wrong: the delivery is parked for its owner."""


class UnusableEvent(Failure):
    """This event can't be handled, now or later: the subscription's `on_error` decides."""


class AgainLater(Failure):
    """Not now: this event is tried again by the subscription's retry schedule."""
