"""Completion codes and Prolific's id are rows of recruiting, where migration 0011 of ratings has put them."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('studies', '0018_languages_and_information'),
        ('ratings', '0011_recruiting_and_paying'),
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
