"""``python -m almond plan EXPORT|PLAN``: print a study's plan as a document to deposit."""

from __future__ import annotations

import argparse
from pathlib import Path

from almond.analysis.registration.plan_document import plan_document, plan_json
from almond.design.plan import StudyPlan
from almond.digest import printed_json
from almond.errors import InputError
from almond.exchange.amendments import Amendment, amendments_of
from almond.exchange.manifest import NAME, load_manifest


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", type=Path, help="the folder of an export, or a file plan.json")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="the default")
    form.add_argument("--html", dest="form", action="store_const", const="html", help="one page, to print")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="one JSON object")
    parser.set_defaults(form="markdown")


def run(arguments: argparse.Namespace) -> int:
    """Print the document on standard output."""
    plan = read_plan(arguments.plan)
    if arguments.form == "json":
        print(printed_json(plan_json(plan)))
        return 0
    from almond.report.render import render_html, render_markdown

    document = plan_document(plan, read_amendments(arguments.plan))
    print(render_html(document, {}) if arguments.form == "html" else render_markdown(document), end="")
    return 0


def read_plan(path: Path) -> StudyPlan:
    """Read the plan of an export, or one that stands alone."""
    file = path / "plan.json" if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror})", "an export, or a plan.json") from error
    return StudyPlan.from_bytes(data, file)


def read_amendments(path: Path) -> tuple[Amendment, ...]:
    """Read the amendments that the manifest of an export lists; a plan that stands alone has none."""
    return amendments_of(load_manifest(path)) if (path / NAME).is_file() else ()
