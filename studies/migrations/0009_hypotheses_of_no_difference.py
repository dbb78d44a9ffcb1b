"""A hypothesis may claim that there is no difference."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('studies', '0008_amendments'),
    ]

    operations = [
        migrations.AlterField(
            model_name='hypothesis',
            name='direction',
            field=models.CharField(choices=[('greater', 'greater: in the direction of the manipulation, above chance'), ('less', 'less: against it'), ('either', 'either'), ('none', "none: no difference as large as the criterion's parameter")], default='greater', max_length=7),
        ),
        migrations.RemoveConstraint(
            model_name='hypothesis',
            name='hypothesis_direction_is_known',
        ),
        migrations.AddConstraint(
            model_name='hypothesis',
            constraint=models.CheckConstraint(condition=models.Q(('direction__in', ['greater', 'less', 'either', 'none'])), name='hypothesis_direction_is_known'),
        ),
    ]
