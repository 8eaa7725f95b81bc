"""Does what its config says: the table in the README beside this folder."""

from dataclasses import dataclass

import hookgate
from hookgate import (
    Accepted,
    AgainLater,
    Challenge,
    Deliver,
    Draft,
    Drop,
    Event,
    InvalidConfig,
    Message,
    Pass,
    Reception,
    Rejected,
    Replace,
    Request,
    Response,
    UnusableEvent,
    Verdict,
)


@dataclass
class Config:
    do: str
    text: str = ""


def fail(config: Config) -> Exception:
    """The failure that the config names; another name is a wrong config."""
    failures = {
        "invalid-config": InvalidConfig,
        "unusable-event": UnusableEvent,
        "again-later": AgainLater,
    }
    if config.do not in failures:
        return InvalidConfig(f"do: {config.do} is nothing that can be done here")
    return failures[config.do](config.text)


@hookgate.transform
def handle(event: Event, config: Config) -> Verdict:
    match config.do:
        case "pass":
            return Pass()
        case "drop":
            return Drop(config.text)
        case "echo":
            return Replace(event.data)
        case "replace":
            return Replace(config.text)
        case "deliver":
            headers = {"x-type": event.type, "x-text": config.text}
            return Deliver(Message(event.data, "text/plain", headers))
        case "link":
            return Replace(hookgate.data_url())
        case "fields":
            return Replace.json(fields(event))
        case "member":
            return Replace.json(event.json()["value"])
        case "log":
            hookgate.log.debug(config.text)
            hookgate.log.info(config.text)
            hookgate.log.warn(config.text)
            hookgate.log.error(config.text)
            return Pass()
    raise fail(config)


def fields(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time_ms": event.time_ms,
        "tenant": event.tenant,
        "key": event.key,
        "content_type": event.content_type,
        "attributes": list(event.attributes.items()),
    }


@hookgate.filter
def accepts(event: Event, config: Config) -> bool:
    match config.do:
        case "accept":
            return True
        case "refuse":
            return False
    raise fail(config)


@hookgate.fold
def fold(earlier: Event, later: Event, config: Config) -> Event:
    if config.do == "join":
        return later.with_data(earlier.data + later.data)
    raise fail(config)


@hookgate.receiver
def receive(request: Request, config: Config) -> Reception:
    event_type = request.header("X-Event") or ""
    match config.do:
        case "accept":
            draft = Draft(
                type=event_type,
                data=request.body,
                content_type=request.header("content-type") or "",
                id=request.header("x-id"),
                subject=f"{request.method} {request.path}",
                key=request.query,
                time_ms=request.received_ms,
            )
            return Accepted([draft])
        case "nothing":
            return Accepted()
        case "bare":
            return Accepted([Draft(event_type, request.body)])
        case "challenge":
            return Challenge(Response(request.body, status=202))
        case "refuse":
            return Rejected(config.text)
        case "secret":
            return Rejected(request.secret or "none")
    raise fail(config)
