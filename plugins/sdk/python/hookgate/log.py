"""Lines for the record of a call; its owner reads them beside the attempt.

At most 32 lines of 1 KiB, and 8 KiB in all, are kept for each call. Data and secrets do not
belong here. What a plugin prints comes here too, at level debug.
"""

from . import _host


def debug(text: str) -> None:
    """For the author of the plugin."""
    _host.log("debug", text)


def info(text: str) -> None:
    """Tells the story."""
    _host.log("info", text)


def warn(text: str) -> None:
    """Something was odd, and the plugin coped."""
    _host.log("warn", text)


def error(text: str) -> None:
    """Somebody should look at it."""
    _host.log("error", text)
