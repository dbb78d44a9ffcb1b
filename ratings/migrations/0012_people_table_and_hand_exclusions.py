"""What the monitor's table of people is sorted by, and who was left out of the analysis by hand.

Summaries lack what is new of them: they are deleted, and made again by the next look.
"""

from importlib import import_module

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

written_once = import_module("ratings.migrations.0009_amendments_written_once")
TABLE = "ratings_handexclusion"


def forget_summaries(apps, schema_editor):
    apps.get_model("ratings", "Progress").objects.all().delete()


def make_triggers(apps, schema_editor):
    written_once.make_triggers_of([TABLE], schema_editor)


def drop_triggers(apps, schema_editor):
    written_once.drop_triggers_of([TABLE], schema_editor)


class Migration(migrations.Migration):

    dependencies = [
        ('ratings', '0011_recruiting_and_paying'),
        ('studies', '0019_codes_are_of_recruiting'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(forget_summaries, migrations.RunPython.noop),
        migrations.AddField(
            model_name='progress',
            name='bins',
            field=models.JSONField(default=dict, help_text='Construct -> how many ratings lie in each tenth of 0 to 100.'),
        ),
        migrations.AddField(
            model_name='progress',
            name='device',
            field=models.CharField(blank=True, help_text='Width of the window, in classes.', max_length=12),
        ),
        migrations.AddField(
            model_name='progress',
            name='failed',
            field=models.PositiveIntegerField(default=0, help_text='Checks failed with every attempt.'),
        ),
        migrations.AddField(
            model_name='progress',
            name='failed_at',
            field=models.JSONField(default=list, help_text='Indices of the trials of failed checks.'),
        ),
        migrations.AddField(
            model_name='progress',
            name='loads',
            field=models.PositiveIntegerField(default=0, help_text="How often the study's page was loaded."),
        ),
        migrations.AddField(
            model_name='progress',
            name='longest_run',
            field=models.PositiveIntegerField(default=0, help_text='Most trials in a row of a block with the very same answer.'),
        ),
        migrations.AddField(
            model_name='progress',
            name='median_ms',
            field=models.FloatField(help_text='Median of the times.', null=True),
        ),
        migrations.AddField(
            model_name='progress',
            name='spread',
            field=models.FloatField(help_text='SD of ratings about the means of their constructs, on 0 to 100.', null=True),
        ),
        migrations.CreateModel(
            name='HandExclusion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('out', models.BooleanField(help_text='Left out; else taken back in.')),
                ('why', models.TextField(verbose_name='why')),
                ('blind', models.BooleanField(help_text='Whether answers were hidden from everybody then.')),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='hand_exclusions', to='ratings.participant')),
                ('study', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='hand_exclusions', to='studies.study')),
            ],
            options={
                'ordering': ['study', 'id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('why', ''), _negated=True), name='hand_exclusion_has_a_reason')],
            },
        ),
        migrations.RunPython(make_triggers, drop_triggers),
    ]
