"""Verifies a delivery of Hookgate (Standard Webhooks). Python 3.8, the standard library alone."""
import base64
import hashlib
import hmac
import sys
import time

TOLERANCE_SECONDS = 300


def verify(secret: str, headers, body: bytes) -> None:
    """`headers` by lower-case names, `body` as it arrived, byte for byte. Raises ValueError."""
    message_id = headers["webhook-id"]
    timestamp = headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise ValueError("the timestamp is too old or too new")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # Several while a secret is changed; one that fits is enough.
    for signature in headers["webhook-signature"].split():
        version, _, value = signature.partition(",")
        if version == "v1" and hmac.compare_digest(value.encode(), expected):
            return
    raise ValueError("no signature fits")


if __name__ == "__main__":  # verify.py SECRET ID TIMESTAMP SIGNATURE < body
    names = ["webhook-id", "webhook-timestamp", "webhook-signature"]
    verify(sys.argv[1], dict(zip(names, sys.argv[2:])), sys.stdin.buffer.read())
