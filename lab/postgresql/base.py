"""The database wrapper that Django loads for ``ENGINE = "lab.postgresql"``."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Keeps connections as Django does; one that stands is recognised without asking the server.

    A server that restarts, dies or ends a connection says so, or closes it: there is something to read. Only
    then is it asked, as Django asks it before the first statement of every request, which costs an answer a
    third of its round trips.
    """

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0) or bool(super().is_usable())
