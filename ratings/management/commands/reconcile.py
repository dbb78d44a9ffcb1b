"""``manage.py reconcile``: ask panels about their people, and free the places that they offer again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from almond.errors import InputError
from ratings.services.recruiting.panels import reconcilable, reconcile
from studies.models import Study


class Command(BaseCommand):
    help = "Ask the panels of all studies that were open, or of one. Run it every few minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", nargs="?", help="the end of the study's link; without it, all of them")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        studies = [study_of_slug(slug)] if slug else list(reconcilable())
        for study in studies:
            result = reconcile(study)
            self.stdout.write(f"{study.slug}: {result.listed} submissions, {result.news} with news")
        if not studies:
            self.stdout.write("no study has a panel that can be asked")


def study_of_slug(slug: str) -> Study:
    study = Study.objects.filter(slug=slug).first()
    if study is None:
        raise InputError("study", f"{slug!r} is not known", "the end of a participants' link")
    return study
