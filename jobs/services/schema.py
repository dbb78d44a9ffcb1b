"""Whether the database is one of this version."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from almond.errors import InputError


def check_schema(*, complete: bool = True) -> None:
    """Refuse a database of a newer version; with ``complete`` also one that is not up to date.

    :raises InputError: the database holds migrations that this version does not know, or lacks some.
    """
    loader = MigrationLoader(connection)
    here = set(loader.disk_migrations)
    here |= {name for migration in loader.disk_migrations.values() for name in migration.replaces}
    applied = {name for name in loader.applied_migrations if name[0] in loader.migrated_apps}
    database = str(settings.DATABASES["default"]["NAME"])
    if newer := sorted(applied - here):
        problem = f"was changed by a newer version (migration {'.'.join(newer[0])})"
        raise InputError(f"database {database}", problem, "that version of Almond, or another ALMOND_HOME")
    if complete and (missing := sorted(set(loader.graph.nodes) - applied)):
        problem = f"is not up to date (it lacks {'.'.join(missing[0])})"
        raise InputError(f"database {database}", problem, "manage.py migrate, or make run, before this")
