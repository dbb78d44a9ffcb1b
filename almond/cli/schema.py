"""``python -m almond schema``: the JSON Schema of a configuration, or the table of a section's keys."""

from __future__ import annotations

import argparse

from almond.digest import printed_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--markdown",
        metavar="SECTION",
        help="print the keys of a section as a Markdown table: data, preparation, models, crossvalidation, "
        "sections, the key of a section, such as evaluation, import-ratings, or power",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the schema or the table; returns 0."""
    from almond.cli.output.tables import json_schema, markdown_table

    if arguments.markdown is None:
        print(printed_json(json_schema()))
    else:
        print(markdown_table(arguments.markdown))
    return 0
