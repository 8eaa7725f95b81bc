"""Takes webhooks that carry the source's secret in a header, and makes each an event.

A provider that signs its requests is verified in the same place: compute what the signature has
to be from `request.body` and the secret, with `hmac`, and compare all of it.
"""

import hmac

import hookgate
from hookgate import Accepted, Draft, InvalidConfig, Reception, Rejected, Request


@hookgate.receiver
def receive(request: Request) -> Reception:
    if request.secret is None:
        raise InvalidConfig("the source has no secret")
    token = request.header("x-token") or ""
    # Looks at every byte, so that the time it takes tells nothing about the secret.
    if not hmac.compare_digest(token.encode(), request.secret.encode()):
        return Rejected("the token is wrong")
    event_type = request.header("x-event")
    if event_type is None:
        return Rejected("there is no x-event header")
    return Accepted([Draft(event_type, request.body)])
