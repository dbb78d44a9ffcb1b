#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from almond.cli.output.frame import framed


def main() -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def explain(error: Exception) -> str | None:
    from config.frame import explain

    return explain(error)


if __name__ == "__main__":
    # One thread for linear algebra: workers run beside each other, and small arrays gain nothing from more.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    sys.exit(framed(main, " ".join(["manage.py", *sys.argv[1:2]]), explain))
