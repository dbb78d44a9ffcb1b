"""Planned trials and responses are written once: the database refuses every UPDATE of them.

A later migration that makes SQLite rebuild one of these tables drops its trigger: such a migration must
make the trigger again.
"""

from django.db import migrations

TABLES = ("ratings_trial", "ratings_response", "ratings_attempt")

SQLITE = """
CREATE TRIGGER {table}_written_once BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, '{table}: rows are written once'); END
"""
POSTGRES_FUNCTION = """
CREATE FUNCTION ratings_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: rows are written once', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
POSTGRES = """
CREATE TRIGGER {table}_written_once BEFORE UPDATE ON {table}
FOR EACH ROW EXECUTE FUNCTION ratings_written_once()
"""


def add_triggers(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    if vendor == "postgresql":
        schema_editor.execute(POSTGRES_FUNCTION, params=None)  # its % is no placeholder
    for table in TABLES:
        schema_editor.execute({"sqlite": SQLITE, "postgresql": POSTGRES}[vendor].format(table=table))


def drop_triggers(apps, schema_editor):
    postgres = schema_editor.connection.vendor == "postgresql"
    for table in TABLES:
        on_table = f" ON {table}" if postgres else ""
        schema_editor.execute(f"DROP TRIGGER {table}_written_once{on_table}")
    if postgres:
        schema_editor.execute("DROP FUNCTION ratings_written_once()")


class Migration(migrations.Migration):
    dependencies = [("ratings", "0001_initial")]

    operations = [migrations.RunPython(add_triggers, drop_triggers)]
