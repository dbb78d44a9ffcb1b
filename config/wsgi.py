"""The site as a WSGI application."""

import os
import sys

import django
from django.core.wsgi import get_wsgi_application

from almond.cli.output.frame import framed
from config.frame import explain

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if framed(django.setup, "almond", explain):
    sys.exit(1)
application = get_wsgi_application()
