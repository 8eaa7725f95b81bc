"""An API that is polled: FastAPI, everything in memory, one mailbox for each client."""
import json
from collections import defaultdict

from fastapi import FastAPI, Request, Response

app = FastAPI()
mailboxes = defaultdict(list)


@app.post("/publish/{client}")
async def publish(client: int, request: Request) -> Response:
    mailboxes[client].append(await request.json())
    return Response(status_code=202)


@app.get("/poll/{client}")
async def poll(client: int) -> Response:
    found = mailboxes.pop(client, [])
    return Response(json.dumps({"data": found}), media_type="application/json")
