"""drf-hooks, as its documentation sets it up: hooks in the database, sent by its own threads.

A 202 means that the hook stands in the memory of the process; there is no retry, and a crash loses
what is under way. Called as a program it makes the tables and the one hook; gunicorn serves it.
"""
import os
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"], DEBUG=False, SECRET_KEY="the-secret-of-the-benchmark", ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "drf_hooks"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"],
        "USER": os.environ["PGUSER"], "HOST": os.environ["PGHOST"], "CONN_MAX_AGE": None,
    }},
    HOOK_EVENTS={"bench.sent": None},
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
)
django.setup()

from django.core.wsgi import get_wsgi_application
from django.urls import path
from drf_hooks.models import get_hook_model
from drf_hooks.signals import raw_hook_event
from rest_framework.response import Response
from rest_framework.views import APIView


class Events(APIView):
    authentication_classes = []
    permission_classes = []

    def post(self, request):
        if request.headers.get("authorization") != f"Bearer {os.environ['KEY']}":
            return Response(status=401)
        event = request.data
        raw_hook_event.send(sender=None, event_name=event["type"], payload=event["data"], user=None)
        return Response({"accepted": True}, status=202)


urlpatterns = [path("events", Events.as_view())]
application = get_wsgi_application()

if __name__ == "__main__":
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("bench")
    get_hook_model().objects.create(user=user, event="bench.sent", target=sys.argv[1])
