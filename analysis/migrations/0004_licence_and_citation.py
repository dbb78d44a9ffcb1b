"""What an export says of its licence, its authors and how to cite it."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("analysis", "0003_exports_of_planned_looks"),
    ]

    operations = [
        migrations.AddField(
            model_name="export",
            name="licence",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Of the data, as SPDX names it: CC-BY-4.0, CC0-1.0. Empty: none is granted yet.",
                max_length=60,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[A-Za-z0-9.+-]+\\Z", "An identifier of SPDX, such as CC-BY-4.0."
                    )
                ],
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="export",
            name="authors",
            field=models.TextField(blank=True, default="", help_text="Who is to be cited, one per line."),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="export",
            name="citation",
            field=models.CharField(
                blank=True,
                default="",
                help_text="How to cite the data, or the paper that describes them.",
                max_length=1000,
            ),
            preserve_default=False,
        ),
    ]
