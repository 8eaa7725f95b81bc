"""Sends each hook inside the request that brings the event: Tornado with its own client, nothing stored.

A 202 means that the receiver has taken it; there is no retry, and a crash loses what is under way.
"""
import base64
import hashlib
import hmac
import json
import os
import time
import uuid

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.web import Application, RequestHandler

TARGET, KEY, SECRET = os.environ["TARGET"], os.environ["KEY"], b"the-secret-of-the-benchmark"


class Events(RequestHandler):
    async def post(self):
        sent_key = self.request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(sent_key, KEY):
            self.set_status(401)
            return
        event = json.loads(self.request.body)
        message, seconds = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
        body = json.dumps({"type": event["type"], "timestamp": seconds, "data": event["data"]}).encode()
        signed = hmac.new(SECRET, f"{message}.{seconds}.".encode() + body, hashlib.sha256).digest()
        answer = await AsyncHTTPClient().fetch(HTTPRequest(TARGET, method="POST", body=body, headers={
            "content-type": "application/json", "webhook-id": message, "webhook-timestamp": seconds,
            "webhook-signature": "v1," + base64.b64encode(signed).decode(),
        }), raise_error=False)
        self.set_status(202 if answer.code < 300 else 502)


server = HTTPServer(Application([("/events", Events)], log_function=lambda handler: None))
server.bind(int(os.environ["PORT"]), "127.0.0.1")
server.start(2)
AsyncHTTPClient.configure(None, max_clients=256)
IOLoop.current().start()
