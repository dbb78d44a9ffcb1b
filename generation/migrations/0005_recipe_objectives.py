"""The objective of a recipe by name, in place of "against the others" or not."""

import generation.models
from django.db import migrations, models


def name_objectives(apps, schema_editor):
    recipes = apps.get_model("generation", "Recipe")
    recipes.objects.filter(contrast=True).update(objective="contrast")
    recipes.objects.filter(contrast=False).update(objective="alone")


def name_contrasts(apps, schema_editor):
    recipes = apps.get_model("generation", "Recipe")
    recipes.objects.update(contrast=False)
    recipes.objects.exclude(objective="alone").update(contrast=True)


class Migration(migrations.Migration):

    dependencies = [
        ("generation", "0004_norms_are_chosen"),
    ]

    operations = [
        migrations.AddField(
            model_name="recipe",
            name="objective",
            field=models.CharField(choices=generation.models.objective_choices, default="clamp", max_length=60),
        ),
        migrations.AddField(
            model_name="recipe",
            name="settings",
            field=models.JSONField(blank=True, default=dict, help_text="Numbers of the rule and the objective, by name."),
        ),
        migrations.AddField(
            model_name="recipe",
            name="coefficients",
            field=models.JSONField(default=dict, editable=False, help_text="Target -> other target -> regression coefficient."),
        ),
        migrations.RunPython(name_objectives, name_contrasts),
        migrations.RemoveField(model_name="recipe", name="contrast"),
    ]
