"""``manage.py verify_study SLUG``: compare a study's rows with its log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ratings.services.verifying import before_the_log, verify_study
from studies.models import Study
from studies.services.log import heads_digest


class Command(BaseCommand):
    help = "Find what was edited, deleted or added past the log of a study, and say where."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the end of the participants' link")
        parser.add_argument("--expect", default="", help="digest of the log that was written down earlier")

    def handle(self, *args: Any, **options: Any) -> None:
        study = Study.objects.exclude(state=Study.State.DRAFT).filter(slug=options["slug"]).first()
        if study is None:
            raise CommandError(f"There is no study {options['slug']!r} that was frozen.")
        problems = 0
        for problem in verify_study(study):
            problems += 1
            self.stdout.write(problem)
        digest = heads_digest(study)
        if options["expect"] not in ("", digest):
            problems += 1
            self.stdout.write(f"log: its digest is not {options['expect']}")
        if earlier := before_the_log(study):
            self.stdout.write(
                f"{earlier} participants joined before the log was kept: theirs is not verified"
            )
        self.stdout.write(f"{study.log.count()} entries, digest of the log {digest}")
        if problems:
            raise CommandError(f"{problems} things are not as they were written")
