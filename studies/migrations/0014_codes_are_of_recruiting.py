"""Completion codes and Prolific's id are rows of recruiting, where migration 0010 of ratings has put them."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('studies', '0013_previous_versions'),
        ('ratings', '0010_recruiting_and_paying'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='study',
            name='completion_code',
        ),
        migrations.RemoveField(
            model_name='study',
            name='partial_code',
        ),
        migrations.RemoveField(
            model_name='study',
            name='prolific_study',
        ),
    ]
