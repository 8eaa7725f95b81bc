"""A producer and a receiver in Django, in one file."""
import json
import os
import sys
import urllib.request

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from standardwebhooks import Webhook, WebhookVerificationError

settings.configure(
    DEBUG=False,
    SECRET_KEY=os.environ.get("SECRET_KEY", "only for this recipe"),
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
)
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen = set()  # In a real service: a model with a unique field, kept for a day.
received = []


def send(event):
    """Raises where the event was not taken: send it again then, with the same id."""
    request = urllib.request.Request(
        os.environ["HOOKGATE_URL"] + "/v1/events",
        data=json.dumps(event).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['HOOKGATE_API_KEY']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@csrf_exempt
@require_POST
def pay(request, number):
    # With a database: transaction.on_commit(lambda: send(event)).
    event = {"type": "invoice.paid", "id": f"invoice-{number}-paid", "data": {"id": number}}
    return JsonResponse(send(event))


@csrf_exempt  # Its signature says who sent it.
@require_POST
def hooks(request):
    try:
        webhook.verify(request.body, {k.lower(): v for k, v in request.headers.items()})
    except WebhookVerificationError:
        return HttpResponse(status=401)
    message_id = request.headers["webhook-id"]
    if message_id not in seen:
        seen.add(message_id)
        received.append(json.loads(request.body)["data"])
    return HttpResponse()


def show(request):
    return JsonResponse(received, safe=False)


urlpatterns = [
    path("invoices/<int:number>/pay", pay),
    path("hooks", hooks),
    path("received", show),
]

if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line([sys.argv[0], "runserver", "--noreload", f"127.0.0.1:{os.environ['PORT']}"])
