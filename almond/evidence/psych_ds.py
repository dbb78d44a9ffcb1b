"""What makes an export a data set of Psych-DS: its description, README, CHANGES, licence and citation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from almond.design.plan import StudyPlan
from almond.design.trials.columns import Column
from almond.exchange.layout import parquet_file, table_file
from almond.exchange.publication import Publication

DESCRIPTION = "dataset_description.json"
KEYWORDS = ("affective science", "image judgements", "encoding model", "preregistration")
Columns = Mapping[str, Sequence[Column]]


def described_files(
    plan: StudyPlan, columns: Columns, counts: Mapping[str, int], facts: Mapping[str, Any], about: Publication
) -> dict[str, bytes]:
    """Return the files that describe an export, by path: text that depends on the arguments alone.

    :param facts: ``study`` and ``created`` of the manifest.
    """
    told, day = description(plan, columns, facts, about), facts["created"][:10]
    files = {
        DESCRIPTION: json.dumps(told, indent=1, ensure_ascii=False) + "\n",
        "README.md": readme(plan, columns, counts, facts, about),
        "CHANGES.md": f"# Changes\n\n1.0.0 ({day})\n\n- Written by Almond from the study.\n",
    }
    if about.licence:
        files["LICENSE"] = f"{about.licence}\n{about.licence_url}\n"
    if about.authors:
        files["CITATION.cff"] = citation_file(facts, about)
    return {path: text.encode() for path, text in files.items()}


def description(
    plan: StudyPlan, columns: Columns, facts: Mapping[str, Any], about: Publication
) -> dict[str, Any]:
    """Return ``dataset_description.json``: JSON-LD, a Dataset of schema.org."""
    told: dict[str, Any] = {"license": about.licence_url, "citation": about.citation}
    people = [{"@type": "Person", "name": name} for name in about.authors]
    return {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": facts["study"],
        "description": summary(plan),
        "version": "1.0.0",
        "dateCreated": facts["created"],
        "keywords": list(about.keywords or KEYWORDS),
        **({"creator": people} if people else {}),
        **{name: value for name, value in told.items() if value},
        "variableMeasured": [variable(name, uses) for name, uses in uses_of(columns).items()],
    }


def summary(plan: StudyPlan) -> str:
    """Say in one or two sentences what was judged."""
    asked = "; ".join(f"{construct.name}: {construct.question}" for construct in plan.constructs)
    origin = "Collected elsewhere and imported." if plan.external else "Collected online by a frozen plan."
    return (
        f"Judgements of {len(plan.stimuli)} {'stimuli' if plan.external else 'images'}. Asked were "
        f"{asked or 'choices between pairs'}. {origin}"
    )


def uses_of(columns: Columns) -> dict[str, dict[str, Column]]:
    """Return for every name of a column the tables that have one, in the order of the codebook."""
    uses: dict[str, dict[str, Column]] = {}
    for table, own in columns.items():
        for column in own:
            uses.setdefault(column.name, {})[table] = column
    return uses


def variable(name: str, uses: Mapping[str, Column]) -> dict[str, Any]:
    """Return a PropertyValue of schema.org for a column, in whichever tables it stands."""
    meanings = dict.fromkeys(column.description for column in uses.values())
    if len(meanings) == 1:
        text = next(iter(meanings))
    else:
        text = " ".join(f"In {table}: {column.description}" for table, column in uses.items())
    first = next(iter(uses.values()))
    value: dict[str, Any] = {"@type": "PropertyValue", "name": name, "description": text}
    if first.unit:
        value["unitText"] = first.unit
    if len({column.range for column in uses.values()}) == 1:
        value |= limits(first)
    return value


def limits(column: Column) -> dict[str, Any]:
    """Return the least and the largest value of a column's range, or the values that there are."""
    if column.range.endswith(" or more"):
        return {"minValue": float(column.range.removesuffix(" or more"))}
    if " to " in column.range:
        low, high = map(float, column.range.split(" to "))
        return {"minValue": low, "maxValue": high}
    return {"valueReference": re.split(r", | or ", column.range)} if column.range else {}


def readme(
    plan: StudyPlan, columns: Columns, counts: Mapping[str, int], facts: Mapping[str, Any], about: Publication
) -> str:
    """Write README.md: what the folder holds, how to read it, how it may be used."""
    tables = "\n".join(
        f"- `{table_file(name)}`: {counts[name]} rows of {len(own)} columns (typed: `{parquet_file(name)}`)"
        for name, own in columns.items()
    )
    licence = f"{about.licence}, {about.licence_url}" if about.licence else "none was chosen: ask before use"
    cited = [about.citation] if about.citation else []
    cited += [f"Authors: {', '.join(about.authors)}."] if about.authors else []
    citation = "\n".join(cited) or "Nothing was told."
    return f"""# {facts["study"]}

{summary(plan)}

An export of Almond, a data set of Psych-DS. `codebook.csv` and `dataset_description.json` describe every
column; `plan.json` is the plan as it was frozen, under the digest `{plan.digest}`.

## Tables

{tables}

An empty cell means that something does not apply. Flags are 0 or 1, times ISO 8601 with their offset. The CSV
files have authority. `participant_id` is a name of the study's own: nothing here tells who somebody is.

## How to read it

- R: `Rscript start.R`; Python: `python start.py`, or `start.ipynb`. They do without Almond, print the primary
  estimates, and say how to go on.
- JASP and jamovi open the CSV files as they are.
- The whole analysis: `python -m almond analyse .`; from every answer back to what the images were made from:
  `python -m almond verify .`

## Licence

{licence}

## Citation

{citation}
"""


def citation_file(facts: Mapping[str, Any], about: Publication) -> str:
    """Write CITATION.cff (Citation File Format 1.2.0)."""
    lines = [
        "cff-version: 1.2.0",
        f"message: {json.dumps(about.citation or 'Please cite these data.', ensure_ascii=False)}",
        "type: dataset",
        f"title: {json.dumps(facts['study'], ensure_ascii=False)}",
        f"date-released: {facts['created'][:10]}",
        *([f"license: {about.licence}"] if about.licence else []),
        "authors:",
        *(f"  - name: {json.dumps(name, ensure_ascii=False)}" for name in about.authors),
    ]
    return "\n".join(lines) + "\n"
