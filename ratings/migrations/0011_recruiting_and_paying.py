"""Who recruits and pays for a study, end pages by outcome, and what panels say; codes of studies move here.

SQLite rebuilds the table of participants for it, which drops its triggers: the last step makes them again.
"""

from importlib import import_module

import django.core.validators
import django.db.models.deletion
import ratings.panels
import ratings.recruiting.bonuses
import ratings.recruiting.outcomes
from django.db import migrations, models


leave = import_module("ratings.migrations.0006_erased_by_leave")


def take_over(apps, schema_editor):
    """Make the codes and Prolific's id of every study into rows of their own."""
    plans, pages = (apps.get_model("ratings", name).objects for name in ("RecruitingPlan", "EndPage"))
    for study in apps.get_model("studies", "Study").objects.defer("plan", "consent", "debriefing").iterator():
        if study.prolific_study:
            parameters = {"study_id": study.prolific_study}
            plans.create(study=study, recruiter="prolific", parameters=parameters)
        for outcome, code in (("finished", study.completion_code), ("closed", study.partial_code)):
            if code:
                pages.create(study=study, outcome=outcome, code=code)


def give_back(apps, schema_editor):
    """Write codes and Prolific's id into the columns of studies again."""
    studies = apps.get_model("studies", "Study").objects
    for page in apps.get_model("ratings", "EndPage").objects.filter(outcome__in=["finished", "closed"]):
        column = {"finished": "completion_code", "closed": "partial_code"}[page.outcome]
        studies.filter(pk=page.study_id).update(**{column: page.code})
    for plan in apps.get_model("ratings", "RecruitingPlan").objects.filter(recruiter="prolific"):
        studies.filter(pk=plan.study_id).update(prolific_study=plan.parameters.get("study_id", ""))


class Migration(migrations.Migration):

    dependencies = [
        ('ratings', '0010_consent_forms'),
        ('studies', '0018_languages_and_information'),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, leave.make_triggers),  # the last step backwards
        migrations.CreateModel(
            name='EndPage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('outcome', models.CharField(choices=ratings.recruiting.outcomes.outcome_choices, max_length=14)),
                ('code', models.CharField(blank=True, help_text='Everybody with this outcome gets it. Empty: who finishes gets an own one, others none.', max_length=40, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9-]*$', 'Letters, digits and hyphens only.')])),
                ('text', models.TextField(blank=True, help_text='Empty: the usual words. An empty line begins a new paragraph.')),
                ('link', models.CharField(blank=True, help_text="{code}, {outcome} and the parameters of the recruiter's links are filled in. Empty: the recruiter's own.", max_length=500, validators=[django.core.validators.RegexValidator('^https?://\\S+$', 'An address that begins with https://, without blanks.')], verbose_name='link back')),
                ('pay', models.DecimalField(blank=True, decimal_places=2, help_text='For each visit that ends so. Empty: nothing.', max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(0)])),
            ],
            options={
                'ordering': ['study', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='InvitationLink',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(editable=False, max_length=64)),
                ('sealed_secret', models.TextField(editable=False)),
                ('used', models.BooleanField(default=False)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='PanelEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(max_length=40)),
                ('event_id', models.CharField(max_length=100)),
                ('at', models.DateTimeField(help_text='When the panel says it happened.')),
                ('received_at', models.DateTimeField(auto_now_add=True)),
                ('kind', models.CharField(max_length=60)),
                ('effect', models.CharField(choices=[('applied', 'applied'), ('stale', 'older than what is known'), ('unknown', 'of nobody here'), ('ignored', 'of no use here')], max_length=8)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='RecruitingPlan',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('recruiter', models.CharField(choices=ratings.panels.recruiter_choices, default='link', max_length=40)),
                ('parameters', models.JSONField(blank=True, default=dict, editable=False)),
                ('end_after_time_out', models.BooleanField(default=False, help_text='Whoever comes back after the time-out gets the end page for it. Else they may go on.', verbose_name='end after a time-out')),
                ('currency', models.CharField(choices=ratings.panels.currency_choices, default='GBP', help_text='Of all amounts.', max_length=3)),
                ('fee_percent', models.DecimalField(decimal_places=2, default=0, help_text='In percent of every payment, with taxes. It counts towards the cost.', max_digits=5, validators=[django.core.validators.MinValueValidator(0)], verbose_name="the panel's fee")),
                ('budget', models.DecimalField(blank=True, decimal_places=2, help_text='Nobody is let in whom it could not pay; then the study is paused. Empty: no limit.', max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(0)])),
                ('bonus_rule', models.CharField(blank=True, choices=ratings.recruiting.bonuses.bonus_choices, max_length=20, verbose_name='bonus')),
                ('bonus_amount', models.DecimalField(blank=True, decimal_places=2, max_digits=10, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='amount of the bonus')),
                ('bonus_per', models.PositiveIntegerField(blank=True, help_text='Where the bonus is paid for every so many answers.', null=True, validators=[django.core.validators.MinValueValidator(1)], verbose_name='answers per bonus')),
            ],
            options={
                'verbose_name': 'recruiting and paying',
                'verbose_name_plural': 'recruiting and paying',
            },
        ),
        migrations.CreateModel(
            name='Submission',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(editable=False, help_text="Of the panel's id of it.", max_length=64)),
                ('id_digest', models.CharField(editable=False, help_text="Of the person's id.", max_length=64)),
                ('sealed_ids', models.TextField(editable=False)),
                ('status', models.CharField(choices=[('reserved', 'reserved'), ('active', 'active'), ('awaiting_review', 'awaiting review'), ('screened_out', 'screened out'), ('timed_out', 'timed out'), ('returned', 'returned'), ('approved', 'approved'), ('rejected', 'rejected')], max_length=16)),
                ('status_at', models.DateTimeField(help_text='When the panel says it came to be so.')),
                ('code', models.CharField(blank=True, help_text='The completion code that was handed in.', max_length=60)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='RecruitedStudy',
            fields=[
            ],
            options={
                'verbose_name': 'recruiting and paying',
                'verbose_name_plural': 'recruiting and paying',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('studies.study',),
        ),
        migrations.RemoveConstraint(
            model_name='participant',
            name='participant_status_is_known',
        ),
        migrations.RemoveConstraint(
            model_name='participant',
            name='completion_code_only_when_finished',
        ),
        migrations.AddField(
            model_name='participant',
            name='screened_for',
            field=models.CharField(blank=True, help_text='Why, in words for experimenters.', max_length=200, verbose_name='screened out for'),
        ),
        migrations.AddField(
            model_name='recruitment',
            name='sealed_details',
            field=models.TextField(blank=True, editable=False, help_text='Further ids of the link, sealed together as JSON.'),
        ),
        migrations.AlterField(
            model_name='participant',
            name='status',
            field=models.CharField(choices=[('active', 'active'), ('finished', 'finished'), ('withdrawn', 'withdrawn'), ('timed_out', 'timed out'), ('finished_late', 'finished late'), ('screened_out', 'screened out')], default='active', max_length=14),
        ),
        migrations.AddConstraint(
            model_name='participant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['finished', 'finished_late']), ('finished_at__isnull', False), models.Q(('completion_code', ''), _negated=True)), ('status', 'withdrawn'), models.Q(('finished_at__isnull', True), ('status', 'screened_out')), models.Q(('status__in', ['active', 'timed_out']), ('completion_code', '')), _connector='OR'), name='completion_code_only_when_finished'),
        ),
        migrations.AddConstraint(
            model_name='participant',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['active', 'finished', 'withdrawn', 'timed_out', 'finished_late', 'screened_out'])), name='participant_status_is_known'),
        ),
        migrations.AddConstraint(
            model_name='participant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'screened_out'), _negated=True), models.Q(('screened_for', ''), _negated=True), _connector='OR'), name='screened_out_for_a_reason'),
        ),
        migrations.AddField(
            model_name='endpage',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='end_pages', to='studies.study'),
        ),
        migrations.AddField(
            model_name='invitationlink',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='studies.study'),
        ),
        migrations.AddConstraint(
            model_name='panelevent',
            constraint=models.UniqueConstraint(fields=('source', 'event_id'), name='panel_event_counts_once'),
        ),
        migrations.AddField(
            model_name='recruitingplan',
            name='study',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='recruiting', to='studies.study'),
        ),
        migrations.AddField(
            model_name='submission',
            name='study',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='submissions', to='studies.study'),
        ),
        migrations.AddConstraint(
            model_name='endpage',
            constraint=models.UniqueConstraint(fields=('study', 'outcome'), name='end_page_once_per_outcome', violation_error_message='Each outcome has one end page.'),
        ),
        migrations.AddConstraint(
            model_name='endpage',
            constraint=models.CheckConstraint(condition=models.Q(('outcome__in', ['finished', 'screened_out', 'declined', 'timed_out', 'closed', 'withdrawn'])), name='outcome_is_known'),
        ),
        migrations.AddConstraint(
            model_name='endpage',
            constraint=models.CheckConstraint(condition=models.Q(('pay__isnull', True), ('pay__gte', 0), _connector='OR'), name='pay_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='invitationlink',
            constraint=models.UniqueConstraint(fields=('study', 'digest'), name='invitation_made_once'),
        ),
        migrations.AddConstraint(
            model_name='recruitingplan',
            constraint=models.CheckConstraint(condition=models.Q(('recruiter', ''), _negated=True), name='recruiting_has_a_recruiter'),
        ),
        migrations.AddConstraint(
            model_name='recruitingplan',
            constraint=models.CheckConstraint(condition=models.Q(('fee_percent__gte', 0), models.Q(('budget__isnull', True), ('budget__gte', 0), _connector='OR')), name='recruiting_money_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='recruitingplan',
            constraint=models.CheckConstraint(condition=models.Q(('bonus_rule', ''), models.Q(('bonus_amount__gte', 0), ('bonus_amount__isnull', False)), _connector='OR'), name='bonus_has_an_amount', violation_error_message='A bonus needs an amount.'),
        ),
        migrations.AddIndex(
            model_name='submission',
            index=models.Index(fields=['study', 'id_digest'], name='submissions_of_a_person'),
        ),
        migrations.AddConstraint(
            model_name='submission',
            constraint=models.UniqueConstraint(fields=('study', 'digest'), name='submission_once_per_study'),
        ),
        migrations.AddConstraint(
            model_name='submission',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['reserved', 'active', 'awaiting_review', 'screened_out', 'timed_out', 'returned', 'approved', 'rejected'])), name='submission_status_is_known'),
        ),
        migrations.RunPython(take_over, give_back),
        migrations.RunPython(leave.make_triggers, leave.make_triggers),
    ]
