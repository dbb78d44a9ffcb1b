"""``manage.py mock_prolific SLUG``: a Prolific on this machine, to learn with and to try a study on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.urls import reverse

from almond.errors import InputError
from ratings.recruiting.mock import MockServer, ProlificMock
from ratings.services.recruiting.ends import plan_of
from studies.models import Study


class Command(BaseCommand):
    help = "Serve a local mock of Prolific for one study. Nothing leaves this machine."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the end of the study's link")
        parser.add_argument("--site", default="http://127.0.0.1:8000", help="where this site is")

    def handle(self, *args: Any, **options: Any) -> None:
        study = Study.objects.filter(slug=options["slug"]).first()
        if study is None:
            raise InputError("study", f"{options['slug']!r} is not known", "the end of a participants' link")
        source = plan_of(study).source()
        if source.kind != "prolific":
            raise InputError("study", f"is recruited by {source.kind}", "one that is recruited by Prolific")
        port = mock_port()
        mock = ProlificMock(token=settings.PROLIFIC_TOKEN, secret=settings.PROLIFIC_SECRET)
        server = MockServer(
            mock,
            port=port,
            link=source.link(options["site"] + study.join_path),
            study=source.panel_study() or "mock",
            webhooks=options["site"] + reverse("prolific_events"),
        )
        self.stdout.write(f"Mock of Prolific for {study.title}: {server.address}/ (stop with Ctrl-C)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.server_close()


def mock_port() -> int:
    """Return the port under which the site expects the mock.

    :raises InputError: its settings still name the real Prolific.
    """
    for name, address in (
        ("ALMOND_PROLIFIC_API", settings.PROLIFIC_API),
        ("ALMOND_PROLIFIC_APP", settings.PROLIFIC_APP),
    ):
        parts = urlsplit(address)
        if parts.hostname not in ("127.0.0.1", "localhost") or parts.port is None:
            expected = "http://127.0.0.1:8400 for this command and for the site"
            raise InputError(name, f"is {address}", expected)
    port = urlsplit(settings.PROLIFIC_API).port
    if port is None or port != urlsplit(settings.PROLIFIC_APP).port:
        raise InputError(
            "ALMOND_PROLIFIC_APP", "has another port than ALMOND_PROLIFIC_API", "the same address"
        )
    return port
