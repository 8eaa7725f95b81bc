"""Tells the receiver what happened to which id, and nothing else."""

from dataclasses import dataclass
from typing import Any

import hookgate
from hookgate import Drop, Event, Replace, Verdict


@dataclass
class Config:
    """What a subscription may set."""

    note: str | None = None
    """Goes with every message."""


@hookgate.transform
def handle(event: Event, config: Config) -> Verdict:
    data = event.json()
    if "id" not in data:
        return Drop("the data has no id")
    # Numbers keep their digits: 42.0 stays 42.0.
    message: dict[str, Any] = {"type": event.type, "id": data["id"]}
    if config.note is not None:
        message["note"] = config.note
    return Replace.json(message)
