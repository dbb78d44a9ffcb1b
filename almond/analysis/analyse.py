"""The analysis of a study, from its export alone: the questions that run, their settings, their results.

What runs is decided by what the export holds. Settings come from the frozen plan; what the results may be
called, and why, is decided by ``almond.analysis.registration.label``.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy

from almond import __version__
from almond.analysis.equivalence import equivalence_rows
from almond.analysis.questions.base import (
    Context,
    NotApplicable,
    Question,
    Settings,
    load_questions,
    make_context,
    plain_values,
)
from almond.analysis.registration.deviations import list_amendments, list_deviations
from almond.analysis.registration.label import OtherPlan, label_analysis
from almond.analysis.registration.plan_document import matching_sentence
from almond.analysis.registration.verdicts import judge_hypotheses
from almond.analysis.sample import rating_summaries
from almond.analysis.screening.robustness import repeat_primary_tests
from almond.analysis.screening.screen import arrivals_of
from almond.analysis.sentences import headline
from almond.analysis.study_data import StudyData, read_study
from almond.design.plan import StudyPlan
from almond.digest import digest_file
from almond.errors import InputError
from almond.progress import Part, Progress, Silent
from almond.stats.multiple import holm

KIND = "almond-analysis"
FORMAT = f"{KIND}/1"
DIGITS = 10
"""Significant digits of results: beyond them, machines may differ in rounding."""


@dataclass(frozen=True)
class AnalysisResult:
    """A whole analysis as JSON values (``data``); figures and reports are drawn from it alone."""

    data: dict[str, Any]

    @property
    def confirmatory(self) -> bool:
        return bool(self.data["mode"] == "confirmatory")

    @property
    def headline(self) -> list[str]:
        """What the analysis is called unless it is confirmatory, then the answer, most important first."""
        return list(self.data["headline"])

    @property
    def summary(self) -> dict[str, float | None]:
        """The few numbers that answer the question; None for a test that did not run."""
        classification = self.data["classification"] or {}
        lda, difference = classification.get("lda") or {}, classification.get("difference") or {}
        overall = (self.data["choices"] or {}).get("overall") or {}
        return {
            "accuracy": lda.get("accuracy"),
            "chance": lda.get("chance"),
            "null_mean": lda.get("null_mean"),
            "p": difference.get("p"),
            "choice_alignment": overall.get("share"),
            "choice_p": overall.get("p"),
        }


def analyse_export(
    folder: Path,
    *,
    permutations: int | None = None,
    seed: int | None = None,
    deposited: str | None = None,
    progress: Progress | None = None,
) -> AnalysisResult:
    """Repeat a study's analysis from its export.

    Reads nothing but ``folder``. The same export and settings give the same result.

    :param permutations: the plan's unless told; another number, or another ``seed``, makes it exploratory.
    :param deposited: digest of the plan as it was deposited; an export of any other plan is refused.
    :raises InputError: tables are not as the format says.
    :raises DigestMismatch: files were changed; nothing is computed then.
    :raises OtherPlan: the plan is not the deposited one.
    """
    if permutations is not None and permutations < 1:
        raise InputError("permutations", f"is {permutations}", "1 or more")
    progress = progress or Silent()
    data = read_study(Path(folder), Part(progress, 0.0, 0.05))
    if deposited is not None and data.plan.digest != deposited:
        raise OtherPlan(deposited, data.plan.digest)
    settings = _settings(data.plan, permutations, seed)
    context = make_context(data, settings)
    questions = load_questions()
    results = _run_questions(questions, context, Part(progress, 0.05, 0.95))
    deviations = list_deviations(data, settings, context.sample)
    label = label_analysis(data, context.sample, deviations)
    result: dict[str, Any] = {
        "format": FORMAT,
        "study": _study_facts(data, Path(folder)),
        "software": _versions(),
        "settings": dataclasses.asdict(settings),
        "planned": _planned(data.plan),
        "mode": label.mode,
        "reasons": list(label.reasons),
        "deviations": deviations,
        "amendments": list_amendments(data),
        "sample": _sample_facts(context),
        **results,
    }
    result["tests"] = list_tests(questions, result)
    result["robustness"] = repeat_primary_tests(questions, context, result)
    result["verdicts"] = judge_hypotheses(data.plan, questions, result)
    result["equivalence"] = equivalence_rows(data.plan, questions, result)
    plain = rounded(result)
    plain["headline"] = headline(plain)
    progress.report(1.0, "analysed")
    return AnalysisResult(plain)


def _settings(plan: StudyPlan, permutations: int | None, seed: int | None) -> Settings:
    """Take the plan's settings where nothing else is told."""
    return Settings(
        plan.analysis.permutations if permutations is None else permutations,
        plan.seed if seed is None else seed,
        plan.analysis.alpha,
    )


def _planned(plan: StudyPlan) -> dict[str, Any]:
    return {
        "permutations": plan.analysis.permutations,
        "seed": plan.seed,
        "alpha": plan.analysis.alpha,
        "primary": list(plan.analysis.primary),
        "participants": plan.participants,
    }


def _run_questions(questions: Sequence[Question], context: Context, progress: Progress) -> dict[str, Any]:
    """Answer every question that the export allows; the others stand in ``not_run`` with the reason."""
    results: dict[str, Any] = {}
    not_run = []
    whole, done = sum(question.work for question in questions), 0.0
    for question in questions:
        part = Part(progress, done / whole, (done + question.work) / whole)
        part.report(0.0, question.name)
        done += question.work
        try:
            results[question.name] = plain_values(question.run(context, part))
        except (NotApplicable, InputError) as reason:
            results[question.name] = None
            not_run.append({"analysis": question.name, "reason": str(reason)})
    return {**results, "not_run": not_run}


def list_tests(questions: Sequence[Question], result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the tests that ran: p, whether the plan made it primary, Holm's p over the primary ones."""
    p_values: dict[str, float] = {}
    for question in questions:
        answer = result[question.name]
        p = question.p(answer) if question.p and answer else None
        if p is not None:
            p_values[question.name] = p
    primary = [name for name in result["planned"]["primary"] if name in p_values]
    adjusted = dict(zip(primary, holm([p_values[name] for name in primary]), strict=True))
    return [
        {
            "test": name,
            "p": p,
            "p_holm_primary": adjusted.get(name),
            "primary": name in adjusted,
            "status": result["mode"] if name in adjusted else "exploratory",
            "below_alpha": p <= result["settings"]["alpha"],
        }
        for name, p in p_values.items()
    ]


def _study_facts(data: StudyData, folder: Path) -> dict[str, Any]:
    return {
        "title": data.plan.title,
        "plan_digest": data.plan.digest,
        "manifest_sha256": digest_file(folder / "manifest.json"),
        "files": len(data.manifest["files"]),
        "created": data.manifest.get("created"),
        "exported_by": data.manifest.get("almond_version"),
        "constructs": [dict(construct) for construct in data.plan.constructs],
        **({"external": data.manifest["about"]["external"]} if data.external else {}),
    }


def _sample_facts(context: Context) -> dict[str, Any]:
    sample = context.sample
    people = sample.joined
    return {
        **({"kind": sample.kind} if sample.kind else {}),
        "planned": context.data.plan.participants,
        "joined": len(people),
        "analysed": len(sample.participants),
        "status": {str(name): int(size) for name, size in people["status"].value_counts().items()},
        "ratings": len(sample.ratings),
        "choices": len(sample.choices),
        "stimuli": len(context.data.stimuli),
        "scenes": context.data.stimuli["base_scene"].nunique(),
        **({"themes": context.data.stimuli["theme"].nunique()} if context.data.plan.external else {}),
        **({"theme_remark": context.data.theme_remark} if context.data.theme_remark else {}),
        **({"matching": matching_sentence(context.data.plan)} if context.data.plan.matching else {}),
        "exclusions": sample.exclusions,
        "excluded": sample.excluded,
        "flow": sample.flow,
        "arrivals": arrivals_of(context.data.manifest),
        "rules": [{"rule": rule.name, "words": rule.words} for rule in sample.rules if rule.planned],
        "ratings_summary": rating_summaries(context.ratings, context.constructs),
    }


def _versions() -> dict[str, str]:
    return {
        "almond": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pandas": pd.__version__,
    }


def rounded(value: Any) -> Any:
    """Turn values into plain ones with floats of ten significant digits."""

    def digits(plain: Any) -> Any:
        if isinstance(plain, dict):
            return {name: digits(entry) for name, entry in plain.items()}
        if isinstance(plain, list):
            return [digits(entry) for entry in plain]
        # Adding zero turns -0.0, which a reader takes for a sign, into 0.0.
        return float(f"{plain:.{DIGITS}g}") + 0.0 if isinstance(plain, float) else plain

    return digits(plain_values(value))
