"""A producer and a receiver in FastAPI. Run: uvicorn fastapi_app:app, or python3 fastapi_app.py."""
import json
import os

import httpx
from fastapi import BackgroundTasks, FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

HOOKGATE_URL = os.environ["HOOKGATE_URL"]
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
hookgate = httpx.AsyncClient(
    base_url=HOOKGATE_URL,
    headers={"Authorization": f"Bearer {os.environ['HOOKGATE_API_KEY']}"},
    timeout=10,
    trust_env=False,
)
app = FastAPI()
seen = set()  # In a real service: a table with a unique key, kept for a day.
received = []


@app.post("/invoices/{number}/pay")
async def pay(number: int):
    # The same id each time: sending again after a lost answer makes no second event.
    event = {"type": "invoice.paid", "id": f"invoice-{number}-paid", "data": {"id": number}}
    answer = await hookgate.post("/v1/events", json=event)
    answer.raise_for_status()
    return answer.json()


@app.post("/hooks")
async def hooks(request: Request, background: BackgroundTasks):
    body = await request.body()  # The bytes as they arrived, before anybody parses them.
    try:
        webhook.verify(body, dict(request.headers))
    except WebhookVerificationError:
        raise HTTPException(401, "not from Hookgate")
    message_id = request.headers["webhook-id"]
    if message_id not in seen:
        seen.add(message_id)
        background.add_task(work, json.loads(body))
    return {}


def work(event):
    received.append(event["data"])


@app.get("/received")
def show():
    return received


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
