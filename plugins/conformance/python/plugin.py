"""Shows, by its config, everything that a plugin can answer: see ../README.md."""

from dataclasses import dataclass, replace

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


def otherwise(config: Config) -> Exception:
    failures = {
        "invalid-config": InvalidConfig,
        "unusable-event": UnusableEvent,
        "again-later": AgainLater,
    }
    if config.do not in failures:
        return InvalidConfig(f"no such action: {config.do}")
    return failures[config.do](config.text)


@hookgate.transform
def handle(event: Event, config: Config) -> Verdict:
    match config.do:
        case "pass":
            return Pass()
        case "drop":
            return Drop(config.text)
        case "replace":
            return Replace(config.text)
        case "echo":
            return Replace(event.data)
        case "deliver":
            headers = {"x-one": "1", "x-two": "two words"}
            return Deliver(Message(config.text, "text/plain; charset=utf-8", headers))
        case "describe":
            return Replace.json(described(event))
        case "data-url":
            return Replace.json({"url": hookgate.data_url()})
        case "log":
            hookgate.log.debug(config.text)
            hookgate.log.info(config.text)
            hookgate.log.warn(config.text)
            hookgate.log.error(config.text)
            return Pass()
    raise otherwise(config)


def described(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time_ms": event.time_ms,
        "tenant": event.tenant,
        "key": event.key,
        "content_type": event.content_type,
        "length": len(event.data),
        "attributes": event.attributes,
    }


@hookgate.filter
def accepts(event: Event, config: Config) -> bool:
    match config.do:
        case "yes":
            return True
        case "no":
            return False
        case "has-data":
            return len(event.data) > 0
    raise otherwise(config)


@hookgate.fold
def fold(earlier: Event, later: Event, config: Config) -> Event:
    match config.do:
        case "earlier":
            return earlier
        case "later":
            return later
        case "join":
            joined = later.with_data(earlier.data + later.data)
            return replace(joined, content_type=config.text or later.content_type)
    raise otherwise(config)


@hookgate.receiver
def receive(request: Request, config: Config) -> Reception:
    match config.do:
        case "accept":
            draft = Draft(
                type=config.text,
                data=request.body,
                content_type=request.header("Content-Type") or "application/octet-stream",
                id=request.header("x-id"),
                subject=request.path,
                key=request.secret,
                time_ms=request.received_ms + 1,
            )
            return Accepted([draft])
        case "accept-none":
            return Accepted()
        case "accept-two":
            return Accepted([Draft(config.text, data, "text/plain") for data in ("first", "second")])
        case "describe":
            return Accepted([Draft.json("request.described", described_request(request))])
        case "challenge":
            return Challenge(Response(request.query, status=202))
        case "reject":
            return Rejected(config.text)
    raise otherwise(config)


def described_request(request: Request) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "length": len(request.body),
        "secret": request.secret,
        "received_ms": request.received_ms,
    }
