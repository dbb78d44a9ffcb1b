"""Trials, responses, attempts and the log are neither changed nor deleted, participants not deleted, but by leave.

Leave is a row in ``ratings_permit``. The erasing service (``ratings.services.erasing``) inserts it and deletes
it in the transaction in which it erases, so that no other transaction ever sees one; this works in the same
way on SQLite and PostgreSQL, for the ORM and for SQL typed by hand. A row in that table that was committed
is reported by ``manage.py verify_study``.

A later migration that makes SQLite rebuild one of these tables drops its triggers: such a migration must end
with ``make_triggers``, which may run any number of times.
"""

from django.db import migrations

CHANGED = ("ratings_trial", "ratings_response", "ratings_attempt", "studies_studylog")
TABLES = (*CHANGED, "ratings_participant")
SAID = "rows are written once, and erased by the erasing service alone"

FUNCTION = f"""
CREATE OR REPLACE FUNCTION ratings_by_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ratings_permit) THEN
        RAISE EXCEPTION '%: {SAID}', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF TG_OP = 'UPDATE' THEN RETURN NEW; END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NULL;
END $$
"""


def triggers_of(table, vendor):
    """Yield (name, when) of the triggers of a table."""
    if table in CHANGED:
        yield f"{table}_written_once", "UPDATE"
    yield f"{table}_not_deleted", "DELETE"
    if vendor == "postgresql":
        yield f"{table}_not_emptied", "TRUNCATE"


def make_triggers(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    drop_triggers(apps, schema_editor)
    if vendor == "postgresql":
        schema_editor.execute(FUNCTION, params=None)  # its % is no placeholder
    for table in TABLES:
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


def drop_triggers(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for table in TABLES:
        for name, _ in triggers_of(table, vendor):
            on_table = f" ON {table}" if vendor == "postgresql" else ""
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")


def as_before(apps, schema_editor):
    """Give the triggers back that refuse every change."""
    from importlib import import_module

    before = import_module("ratings.migrations.0002_written_once")
    drop_triggers(apps, schema_editor)
    vendor = schema_editor.connection.vendor
    for table in before.TABLES:
        schema_editor.execute({"sqlite": before.SQLITE, "postgresql": before.POSTGRES}[vendor].format(table=table))


class Migration(migrations.Migration):
    dependencies = [("ratings", "0005_keeping"), ("studies", "0004_keeping")]

    operations = [migrations.RunPython(make_triggers, as_before)]
