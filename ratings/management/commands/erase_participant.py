"""``manage.py erase_participant CODE``: erase what somebody answered who asks for it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from almond.errors import InputError
from ratings.services.erasing import erase_participant


class Command(BaseCommand):
    help = "Erase the answers, events and recruitment of a participant, who counts as withdrawn from then on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="the withdrawal code of a last page, or the participant's name")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            participant, responses = erase_participant(code=options["code"])
        except InputError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{participant}: erased, {responses} responses are blank")
