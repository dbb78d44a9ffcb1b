"""One index less to write with every entry: that of the constraint begins with the study.

SQLite may rebuild the table, which drops its triggers: ``ratings.0007`` comes after this and makes them again.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('studies', '0004_keeping'),
    ]

    operations = [
        migrations.AlterField(
            model_name='studylog',
            name='study',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='log', to='studies.study'),
        ),
    ]
