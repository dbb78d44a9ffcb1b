"""Where a participant's answers have got to; and no index over what every answer changes.

SQLite rebuilds the table for the new column, which drops its trigger: the last step makes it again.
"""

from importlib import import_module

from django.db import migrations, models

leave = import_module("ratings.migrations.0006_erased_by_leave")


class Migration(migrations.Migration):

    dependencies = [
        ('ratings', '0006_erased_by_leave'),
        ('studies', '0004_keeping'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='participant',
            name='participant_activity',
        ),
        migrations.AddField(
            model_name='participant',
            name='answered_below',
            field=models.PositiveIntegerField(default=0, editable=False, help_text='Every trial of a lower index has a response.'),
        ),
        migrations.AddIndex(
            model_name='participant',
            index=models.Index(fields=['study', 'status'], name='participant_status'),
        ),
        migrations.RunPython(leave.make_triggers, leave.make_triggers),
    ]
