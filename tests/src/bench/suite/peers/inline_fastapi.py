"""Sends each hook inside the request that brings the event: FastAPI and httpx, nothing stored.

A 202 means that the receiver has taken it; there is no retry, and a crash loses what is under way.
"""
import base64
import hashlib
import hmac
import json
import os
import time
import uuid

import httpx
from fastapi import FastAPI, Request, Response

TARGET, KEY, SECRET = os.environ["TARGET"], os.environ["KEY"], b"the-secret-of-the-benchmark"
LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=256)

app = FastAPI()
client = httpx.AsyncClient(limits=LIMITS, timeout=20, trust_env=False)


@app.post("/events")
async def publish(request: Request) -> Response:
    sent_key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(sent_key, KEY):
        return Response(status_code=401)
    event = await request.json()
    message, seconds = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
    body = json.dumps({"type": event["type"], "timestamp": seconds, "data": event["data"]}).encode()
    signed = hmac.new(SECRET, f"{message}.{seconds}.".encode() + body, hashlib.sha256).digest()
    answer = await client.post(TARGET, content=body, headers={
        "content-type": "application/json", "webhook-id": message, "webhook-timestamp": seconds,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    })
    return Response(status_code=202 if answer.is_success else 502)
