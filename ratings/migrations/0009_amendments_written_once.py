"""Amendments, unlockings and planned looks are neither changed nor deleted, like the log that seals them.

The same triggers as of the tables of 0006. A later migration that makes SQLite rebuild one of these tables drops
its triggers: such a migration must end with ``make_triggers``, which may run any number of times.
"""

from importlib import import_module

from django.db import migrations

TABLES = ("studies_amendment", "studies_unlocking", "studies_look")
SAID = import_module("ratings.migrations.0006_erased_by_leave").SAID


def triggers_of(table, vendor):
    """Yield (name, when) of the triggers of a table."""
    yield f"{table}_written_once", "UPDATE"
    yield f"{table}_not_deleted", "DELETE"
    if vendor == "postgresql":
        yield f"{table}_not_emptied", "TRUNCATE"


def make_triggers(apps, schema_editor):
    make_triggers_of(TABLES, schema_editor)


def drop_triggers(apps, schema_editor):
    drop_triggers_of(TABLES, schema_editor)


def make_triggers_of(tables, schema_editor):
    vendor = schema_editor.connection.vendor
    drop_triggers_of(tables, schema_editor)
    for table in tables:
        for name, verb in triggers_of(table, vendor):
            if vendor == "postgresql":
                each = "STATEMENT" if verb == "TRUNCATE" else "ROW"
                made = f"FOR EACH {each} EXECUTE FUNCTION ratings_by_leave()"
            else:
                made = (
                    "WHEN NOT EXISTS (SELECT 1 FROM ratings_permit) "
                    f"BEGIN SELECT RAISE(ABORT, '{table}: {SAID}'); END"
                )
            schema_editor.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} {made}")


def drop_triggers_of(tables, schema_editor):
    vendor = schema_editor.connection.vendor
    for table in tables:
        for name, _ in triggers_of(table, vendor):
            on_table = f" ON {table}" if vendor == "postgresql" else ""
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")


class Migration(migrations.Migration):
    dependencies = [("ratings", "0008_what_the_monitor_counts"), ("studies", "0008_amendments")]

    operations = [migrations.RunPython(make_triggers, drop_triggers)]
