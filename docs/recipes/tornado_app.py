"""A producer and a receiver in Tornado."""
import asyncio
import json
import os

from standardwebhooks import Webhook, WebhookVerificationError
from tornado.httpclient import AsyncHTTPClient
from tornado.web import Application, RequestHandler

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen = set()  # In a real service: a table with a unique key, kept for a day.
received = []


class Pay(RequestHandler):
    async def post(self, number):
        event = {"type": "invoice.paid", "id": f"invoice-{number}-paid", "data": {"id": int(number)}}
        answer = await AsyncHTTPClient().fetch(
            os.environ["HOOKGATE_URL"] + "/v1/events",
            method="POST",
            headers={
                "Authorization": f"Bearer {os.environ['HOOKGATE_API_KEY']}",
                "Content-Type": "application/json",
            },
            body=json.dumps(event),
        )
        self.write(answer.body)


class Hooks(RequestHandler):
    def post(self):
        try:
            webhook.verify(self.request.body, {k.lower(): v for k, v in self.request.headers.get_all()})
        except WebhookVerificationError:
            self.set_status(401)
            return
        message_id = self.request.headers["webhook-id"]
        if message_id not in seen:
            seen.add(message_id)
            # After the answer.
            asyncio.get_running_loop().call_soon(received.append, json.loads(self.request.body)["data"])


class Received(RequestHandler):
    def get(self):
        self.write(json.dumps(received))


async def main():
    routes = [(r"/invoices/(\d+)/pay", Pay), (r"/hooks", Hooks), (r"/received", Received)]
    Application(routes).listen(int(os.environ["PORT"]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
