"""Where a participant's answers have got to; no index over what every answer changes, and none twice.

SQLite rebuilds tables for it, which drops their triggers: the last step makes them again.
"""

from importlib import import_module

import django.db.models.deletion
from django.db import migrations, models

leave = import_module("ratings.migrations.0006_erased_by_leave")


class Migration(migrations.Migration):

    dependencies = [
        ('ratings', '0006_erased_by_leave'),
        ('studies', '0005_log_with_one_index'),
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
        migrations.AlterField(
            model_name='trial',
            name='participant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='trials', to='ratings.participant'),
        ),
        migrations.RunPython(leave.make_triggers, leave.make_triggers),
    ]
