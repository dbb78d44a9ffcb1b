"""``manage.py example_lab``: build the example lab, or what is missing of it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from almond.chain.settings import matched_sizes
from almond.errors import AlmondError
from almond.progress import Console


class Command(BaseCommand):
    help = "Build the example lab: simulated brains, encoders, guided images, two studies, a report."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", default="experimenter", help="user name of the experimenter who owns it")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--participants", type=int, default=40)

    def handle(self, *args: Any, **options: Any) -> None:
        # Loads torch: here, so that listing the commands stays fast.
        from analysis.management.example_lab import ExampleLab

        by = User.objects.filter(username=options["by"]).first()
        if by is None:
            raise CommandError(f"There is no user {options['by']!r}: create one with createsuperuser.")
        sizes = matched_sizes(seed=options["seed"], participants=options["participants"])
        try:
            ExampleLab(by, sizes, Console()).build()
        except AlmondError as error:
            raise CommandError(str(error)) from error
