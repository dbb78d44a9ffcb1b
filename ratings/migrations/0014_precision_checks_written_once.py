"""What was computed of a study's precision is neither changed nor deleted."""

from importlib import import_module

from django.db import migrations

written_once = import_module("ratings.migrations.0009_amendments_written_once")
TABLE = "studies_precisioncheck"


def make_triggers(apps, schema_editor):
    written_once.make_triggers_of([TABLE], schema_editor)


def drop_triggers(apps, schema_editor):
    written_once.drop_triggers_of([TABLE], schema_editor)


class Migration(migrations.Migration):
    dependencies = [
        ("ratings", "0013_quotas"),
        ("studies", "0022_stop_by_precision"),
    ]

    operations = [migrations.RunPython(make_triggers, drop_triggers)]
