"""The help of a study's image set says that photographs can be paired."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("generation", "0012_trajectories"),
        ("studies", "0019_codes_are_of_recruiting"),
    ]

    operations = [
        migrations.AlterField(
            model_name="study",
            name="image_set",
            field=models.ForeignKey(
                blank=True,
                help_text="Natural images instead of a matched set; blocks of choices pair them.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="studies",
                to="generation.imageset",
            ),
        ),
    ]
