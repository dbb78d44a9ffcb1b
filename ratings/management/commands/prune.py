"""``manage.py prune``: erase what studies do not keep any longer."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from generation.services import prune_pictures, prune_step_views
from ratings.services.erasing import due, prunable, prune
from ratings.services.recruiting.panels import prune_events


class Command(BaseCommand):
    help = "Erase what is past its days, and the answers of people who withdrew. Run it once a day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say only what would be erased")

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        for study in prunable():
            count = len(due(study)) if options["dry_run"] else prune(study)
            total += count
            if count:
                verb = "would be erased" if options["dry_run"] else "erased"
                self.stdout.write(f"{study.slug}: {count} participants {verb}")
        self.stdout.write(f"{total} participants in all")
        gone = "would be removed" if options["dry_run"] else "removed"
        kinds = (
            ("pictures of diagnoses", prune_pictures),
            ("step views", prune_step_views),
            ("messages of panels", prune_events),
        )
        for what, prune_these in kinds:
            if count := prune_these(dry_run=options["dry_run"]):
                self.stdout.write(f"{count} {what} {gone}")
