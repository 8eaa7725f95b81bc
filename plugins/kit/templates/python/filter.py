"""Lets events of one status pass."""

from dataclasses import dataclass

import hookgate
from hookgate import Event


@dataclass
class Config:
    """What a subscription has to set."""

    status: str
    """The wanted value of the data's member `status`."""


@hookgate.filter
def accepts(event: Event, config: Config) -> bool:
    return bool(event.json().get("status") == config.status)
