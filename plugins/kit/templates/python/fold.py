"""Merges waiting events of one key: the ids of all, in the order of arrival."""

from typing import Any

import hookgate
from hookgate import Event, UnusableEvent


@hookgate.fold
def fold(earlier: Event, later: Event) -> Event:
    return later.with_json({"ids": ids(earlier) + ids(later)})


def ids(event: Event) -> list[Any]:
    found = event.json().get("ids")
    if not isinstance(found, list):
        raise UnusableEvent("the data has no list of ids")
    return found
