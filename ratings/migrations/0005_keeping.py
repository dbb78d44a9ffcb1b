"""Withdrawal codes, what is erased, and recruitment ids sealed, with a digest by which a known one is found."""

import base64
import hashlib
import hmac
import secrets

import django.db.models.deletion
import ratings.models
import ratings.people
from django.conf import settings
from django.db import migrations, models


def make_codes(apps, schema_editor):
    participants = apps.get_model("ratings", "Participant").objects
    for participant in participants.only("pk").iterator():
        code = base64.b32encode(secrets.token_bytes(10)).decode()[:12]
        participants.filter(pk=participant.pk).update(withdrawal_code=code)


def hide_ids(apps, schema_editor):
    recruitments = apps.get_model("ratings", "Recruitment").objects
    for row in recruitments.iterator():
        said = "\n".join((str(row.study_id), row.source, row.external_id))
        digest = hmac.new(settings.RECRUITMENT_KEY.encode(), said.encode(), hashlib.sha256).hexdigest()
        details = {name: value for name, value in row.details.items() if name != "SESSION_ID"}
        sealed = ratings.people.cipher().encrypt(row.external_id.encode()).decode()
        recruitments.filter(pk=row.pk).update(id_digest=digest, sealed_id=sealed, details=details)


def show_ids(apps, schema_editor):
    recruitments = apps.get_model("ratings", "Recruitment").objects
    for row in recruitments.iterator():
        opened = ratings.people.cipher().decrypt(row.sealed_id.encode()).decode()
        recruitments.filter(pk=row.pk).update(external_id=opened)


class Migration(migrations.Migration):

    dependencies = [
        ('ratings', '0004_kinds_of_people_and_marks'),
        ('studies', '0004_keeping'),
    ]

    operations = [
        migrations.CreateModel(
            name='Permit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='participant',
            name='completion_code_only_when_finished',
        ),
        migrations.RemoveConstraint(
            model_name='recruitment',
            name='recruited_once_per_study',
        ),
        migrations.AddField(
            model_name='participant',
            name='erased_at',
            field=models.DateTimeField(blank=True, help_text='When values, events and ids were erased; the rows stay.', null=True),
        ),
        migrations.AddField(
            model_name='participant',
            name='withdrawal_code',
            field=models.CharField(default='', editable=False, max_length=12),
        ),
        migrations.RunPython(make_codes, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='participant',
            name='withdrawal_code',
            field=models.CharField(default=ratings.models.new_withdrawal_code, editable=False, max_length=12, unique=True),
        ),
        migrations.AddField(
            model_name='recruitment',
            name='id_digest',
            field=models.CharField(default='', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='recruitment',
            name='sealed_id',
            field=models.TextField(default='', editable=False),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='recruitment',
            name='external_id',
            field=models.CharField(default='', max_length=120),
        ),
        migrations.RunPython(hide_ids, show_ids),
        migrations.RemoveField(
            model_name='recruitment',
            name='external_id',
        ),
        migrations.AlterField(
            model_name='arrival',
            name='study',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='arrivals', to='studies.study'),
        ),
        migrations.AlterField(
            model_name='recruitment',
            name='details',
            field=models.JSONField(default=dict, help_text='Of the link, nothing that names a person.'),
        ),
        migrations.AddConstraint(
            model_name='participant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['finished', 'finished_late']), ('finished_at__isnull', False), models.Q(('completion_code', ''), _negated=True)), ('status', 'withdrawn'), models.Q(('status__in', ['active', 'timed_out']), ('completion_code', '')), _connector='OR'), name='completion_code_only_when_finished'),
        ),
        migrations.AddConstraint(
            model_name='recruitment',
            constraint=models.UniqueConstraint(fields=('study', 'id_digest'), name='recruited_once_per_study'),
        ),
    ]
