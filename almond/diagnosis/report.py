"""The report of a diagnosis: the verdict with its reasons first, then a section for every check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.diagnosis.diagnose import KIND, Diagnosis
from almond.diagnosis.examples import example_pictures
from almond.diagnosis.overall import CheckResult
from almond.report.document import Document, Fact, KeyNumber, Picture, Section, Table
from almond.report.write import report_folder, write_pages

TITLE = "Diagnosis of a guidance set-up"


def write_diagnosis(diagnosis: Diagnosis, out: Path) -> None:
    """Write ``report.html``, ``report.md``, ``result.json``, ``figures/`` and ``pictures.csv`` into ``out``.

    The folder appears whole, in the place of an earlier report of this kind.
    """
    with report_folder(out, KIND) as folder:
        picture_scores(diagnosis).to_csv(folder / "pictures.csv", index=False, lineterminator="\n")
        write_pages(folder, diagnosis_document(diagnosis), _figures(diagnosis), diagnosis.data)


def picture_scores(diagnosis: Diagnosis) -> pd.DataFrame:
    """Tabulate every picture with its scores by every reader, in SD of unguided pictures."""
    evidence = diagnosis.evidence
    scores = {
        f"{name}: {target}": values[:, place]
        for name, values in evidence.scores.items()
        for place, target in enumerate(evidence.targets)
    }
    return pd.concat([evidence.table, pd.DataFrame(scores)], axis=1)


def _figures(diagnosis: Diagnosis) -> dict[str, Figure]:
    figures = {"examples": example_pictures(diagnosis.evidence)}
    for answer in diagnosis.answers.values():
        if answer.finding is not None:
            figures |= answer.check.draw(answer.finding.numbers)
    return figures


def diagnosis_document(diagnosis: Diagnosis) -> Document:
    """Write the report of a diagnosis."""
    overall, data = diagnosis.overall, diagnosis.data
    counts: Mapping[str, int] = data["pictures"]
    return Document(
        title=TITLE,
        mode=overall.verdict,
        mode_text=(
            "A diagnosis is exploratory: it says whether a set-up is worth a study, not what a brain does."
        ),
        answers=(overall.sentence,),
        alarms=overall.alarms,
        lead=(
            f"{data['settings']['generator']}: {counts.get('unguided', 0)} unguided and "
            f"{counts.get('guided', 0)} guided pictures of {len(data['settings']['prompts'])} prompts for "
            f"{', '.join(data['targets'])}."
        ),
        key_numbers=tuple(_key_numbers(diagnosis.answers)),
        facts=tuple(
            Fact(answer.check.short, (f"{answer.standing.capitalize()}. {answer.sentence}",))
            for answer in diagnosis.answers.values()
            if answer.check.decides
        ),
        sections=(
            _summary(diagnosis),
            *(_section(answer) for answer in diagnosis.answers.values()),
            _methods(data),
        ),
    )


def _key_numbers(answers: Mapping[str, CheckResult]) -> list[KeyNumber]:
    numbers = []
    if (own := answers["own_judge"].finding) is not None:
        ratios = [row["ratio"] for row in own.numbers["targets"]]
        worst = "no limit" if None in ratios else f"{max(ratios):.2f}"
        numbers.append(KeyNumber("own / judged", worst, "largest of the targets; above 1.5 it is fooled"))
    if (dose := answers["dose"].finding) is not None:
        reached = np.mean([row["read"]["judge"]["reached"] for row in dose.numbers["targets"]])
        numbers.append(KeyNumber("judged shift", f"{reached:+.2f} SD", "mean of targets, largest strength"))
    if (selective := answers["selectivity"].finding) is not None:
        estimate = selective.numbers["overall"]["estimate"]
        numbers.append(KeyNumber("on - off target", f"{estimate:+.2f} SD", "as the judge reads it"))
    return numbers


def _summary(diagnosis: Diagnosis) -> Section:
    rows = tuple(
        (answer.check.title, answer.standing, "decides" if answer.check.decides else "", answer.sentence)
        for answer in diagnosis.answers.values()
    )
    return Section(
        title="All checks",
        figures=(
            Picture(
                "examples",
                "One scene, guided for every target by signed strength; below each picture the "
                "judge’s score of "
                "the row’s target (the guide’s, where there is no judge).",
            ),
        ),
        tables=(Table(("check", "verdict", "", "what was found"), rows, text=(0, 1, 2, 3), wrapped=(0, 3)),),
        notes=(
            "The overall verdict is the worst of the checks that decide; without one of them there is none, "
            "unless another is bad. The others say where to look.",
        ),
    )


def _section(answer: CheckResult) -> Section:
    check, finding = answer.check, answer.finding
    return Section(
        title=check.title,
        paragraphs=(f"{answer.standing.capitalize()}. {answer.sentence}",),
        figures=check.pictures if finding is not None else (),
        tables=tuple(check.tables(finding.numbers)) if finding is not None else (),
        notes=(check.limits,),
    )


def _methods(data: Mapping[str, Any]) -> Section:
    settings = data["settings"]
    facts = [
        ("generator", f"{settings['generator']} (digest {data['provenance']['generator']['digest'][:16]}…)"),
        ("prompts", "; ".join(settings["prompts"])),
        ("seeds of guided scenes", ", ".join(map(str, settings["seeds"]))),
        ("strengths", ", ".join(f"{value:g}" for value in settings["strengths"])),
        ("window in alpha-bar", " to ".join(f"{value:g}" for value in settings["window"])),
        ("rule and steps", f"{settings['rule']}, {settings['steps']}"),
        ("objective", settings["objective"]),
        *((f"{row['role']}", _said_of_reader(row)) for row in data["readers"]),
        ("natural images", ", ".join(f"{k}: {v}" for k, v in data["natural"].items()) or "none"),
        ("code", data["provenance"]["code"]),
    ]
    return Section(
        title="How it was measured",
        paragraphs=(
            "Every score is in standard deviations of the same reader’s scores of the unguided "
            "pictures, so that "
            "shifts of different readers compare. A shift is a guided picture’s score minus that of "
            "the unguided "
            "picture of its prompt and seed. Prompts are the units of tests and intervals. All scores of all "
            "pictures are in pictures.csv.",
            *data["remarks"],
        ),
        tables=(Table(("what", "value"), tuple(facts), text=(0, 1), wrapped=(1,)),),
    )


def _said_of_reader(row: Mapping[str, Any]) -> str:
    if row["subjects"] is None:
        return str(row["name"])
    return f"{row['name']}: sub-{', sub-'.join(row['subjects'])}"
