"""A plan as a document to deposit: the fields of the OSF form and of AsPredicted, and the digest.

Light: a site's page shows it before freezing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from almond.analysis.registration.amendments import RULE, amendment_rows, amendment_table
from almond.design.criteria.base import Direction
from almond.design.plan import StudyPlan
from almond.design.preregistration import Hypothesis, Preregistration
from almond.exchange.amendments import Amendment
from almond.report.document import Document, KeyNumber, Section, Table


class Field(NamedTuple):
    """A heading of the document, the field of the OSF form, and the question of AsPredicted."""

    heading: str
    osf: str
    aspredicted: str


FIELDS: dict[str, Field] = {
    "hypotheses": Field("Hypotheses", "Hypotheses", "2 Hypothesis"),
    "study_type": Field("Study type", "Study type", "10 Type of study"),
    "blinding": Field("Blinding", "Blinding", "8 Other"),
    "additional_blinding": Field("Additional blinding", "Additional blinding", "8 Other"),
    "design": Field("Design", "Study design", "4 Conditions"),
    "randomization": Field("Randomization", "Randomization", "4 Conditions"),
    "existing_data": Field("Existing data", "Existing data", "1 Data collection"),
    "existing_data_explained": Field(
        "What is known of existing data", "Explanation of existing data", "1 Data collection"
    ),
    "procedures": Field("Procedures", "Data collection procedures", "8 Other"),
    "sample_size": Field("Sample size", "Sample size", "7 Sample size"),
    "sample_size_reason": Field("Reason for the sample size", "Sample size rationale", "7 Sample size"),
    "stopping": Field("Stopping rule and looks", "Stopping rule", "7 Sample size"),
    "manipulated": Field("Manipulated variables", "Manipulated variables", "4 Conditions"),
    "measured": Field("Measured variables", "Measured variables", "3 Dependent variable"),
    "indices": Field("Indices", "Indices", "3 Dependent variable"),
    "statistical_models": Field("Statistical models", "Statistical models", "5 Analyses"),
    "transformations": Field("Transformations", "Transformations", "5 Analyses"),
    "inference": Field("Inference criteria", "Inference criteria", "5 Analyses"),
    "exclusions": Field("Exclusions", "Data exclusion", "6 Outliers and exclusions"),
    "missing_data": Field("Missing data", "Missing data", "6 Outliers and exclusions"),
    "exploratory": Field("Exploratory part", "Exploratory analysis", "8 Other"),
    "other": Field("Other", "Other", "8 Other"),
}
"""Every field of a preregistration in the order of the OSF form; two are made of other parts of the plan."""

EMPTY = "Nothing is said about this."

DIRECTIONS: dict[Direction, str] = {
    "greater": "greater",
    "less": "less",
    "either": "either",
    "none": "none (no difference)",
}


def plan_texts(plan: StudyPlan) -> dict[str, str]:
    """Return the text of every field of ``FIELDS``, made from the plan alone; empty where it says nothing."""
    stated = plan.preregistration or Preregistration()
    texts = {name: getattr(stated, name) for name in FIELDS if isinstance(getattr(stated, name, None), str)}
    own = {
        "hypotheses": "\n".join(hypothesis_text(row, plan) for row in stated.hypotheses),
        "sample_size": f"{plan.participants} participants.",
        "stopping": _stopping_text(plan, stated),
        "inference": _inference_text(plan, stated),
        "exclusions": "\n".join([*filter(None, [texts["exclusions"]]), *_exclusion_texts(plan)]),
        "manipulated": "\n".join(filter(None, [texts["manipulated"], matching_sentence(plan)])),
    }
    return {name: {**texts, **own}[name] for name in FIELDS}


def matching_sentence(plan: StudyPlan) -> str:
    """Write whether the pairs of a plan are matched, and why they are shown if not; empty without any."""
    return plan.matching.words() if plan.matching is not None else ""


def hypothesis_text(row: Hypothesis, plan: StudyPlan) -> str:
    """Write a hypothesis with its test, its direction and its criterion."""
    parts = [f"target {row.target}"] if row.target else []
    parts += [f"construct {row.construct}"] if row.construct else []
    about = f" ({', '.join(parts)})" if parts else ""
    direction = DIRECTIONS[row.direction]
    criterion = row.criterion.words(row.direction, plan.analysis.alpha)
    return f"{row.name}: {row.text} Test: {row.test}{about}; direction: {direction}. {criterion}"


def _stopping_text(plan: StudyPlan, stated: Preregistration) -> str:
    rule = stated.stopping
    end = f"on {rule.date}" if rule.date else f"once {plan.participants} participants have finished"
    if rule.precision is not None:
        end = rule.precision.words(plan.analysis.primary[0], plan.participants)
    looks = ", ".join(map(str, rule.looks))
    looked = (
        f"The data are looked at with {looks} participants before that." if looks else "Nobody looks before."
    )
    return f"Collecting data ends {end}. {looked}"


def _inference_text(plan: StudyPlan, stated: Preregistration) -> str:
    analysis = plan.analysis
    family = f"all {len(stated.hypotheses)} hypotheses" if stated.hypotheses else "the primary tests"
    how = "Holm's correction" if stated.correction == "holm" else "no correction"
    return (
        f"Error level {analysis.alpha:g}; errors are counted over {family}, with {how}. Primary tests: "
        f"{', '.join(analysis.primary)}. {analysis.permutations} permutations, seed {plan.seed}."
    )


def _exclusion_texts(plan: StudyPlan) -> list[str]:
    """Write a line for each exclusion rule, in the order in which they are applied."""
    return [f"{number}. {rule.words()}" for number, rule in enumerate(plan.analysis.exclusions, start=1)]


def deposit_line(plan: StudyPlan) -> str:
    """Write the line to deposit; the depositor adds the date, which a digest does not carry."""
    return f"“{plan.title}”: plan with SHA-256 {plan.digest}, deposited on ____-__-__."


def plan_document(plan: StudyPlan, amendments: Sequence[Amendment] = ()) -> Document:
    """Write a plan as a document with a section per field, its amendments, and a table for AsPredicted."""
    texts = plan_texts(plan)
    sections = [
        Section(field.heading, tuple((texts[name] or EMPTY).split("\n")), notes=(f"OSF: {field.osf}.",))
        for name, field in FIELDS.items()
    ]
    return Document(
        title=plan.title,
        mode="plan",
        mode_text="",
        answers=(),
        lead=f"Plan of a study, to be deposited before the first response. {deposit_line(plan)}",
        key_numbers=_sizes(plan),
        sections=(*sections, *_amended(amendments), _aspredicted(plan), _digest(plan)),
    )


def _amended(amendments: Sequence[Amendment]) -> tuple[Section, ...]:
    """Write what was amended since the plan was frozen, which is not under its digest."""
    if not amendments:
        return ()
    table = amendment_table(amendment_rows(amendments, None))
    return (Section("Amendments since the plan was frozen", paragraphs=(RULE,), tables=(table,)),)


def _sizes(plan: StudyPlan) -> tuple[KeyNumber, ...]:
    scenes = len({stimulus.base_scene for stimulus in plan.stimuli})
    return (
        KeyNumber("participants", str(plan.participants), "planned"),
        KeyNumber("trials", str(plan.trials), "of each participant"),
        KeyNumber("stimuli", str(len(plan.stimuli)), f"{scenes} base scenes"),
    )


def _aspredicted(plan: StudyPlan) -> Section:
    table = Table(("question", "answer"), tuple(by_question(plan).items()), text=(0, 1), wrapped=(1,))
    return Section("The same by the questions of AsPredicted", tables=(table,))


def by_question(plan: StudyPlan) -> dict[str, str]:
    """Join the texts of the fields by the question of AsPredicted that they answer, in its order."""
    texts = plan_texts(plan)
    answers: dict[str, list[str]] = {"9 Name": [plan.title]}
    for name, field in FIELDS.items():
        answers.setdefault(field.aspredicted, []).extend(texts[name].split("\n"))
    numbered = sorted(answers, key=lambda question: int(question.split()[0]))
    return {question: " ".join(filter(None, answers[question])) or EMPTY for question in numbered}


def _digest(plan: StudyPlan) -> Section:
    return Section(
        "To deposit",
        paragraphs=(
            deposit_line(plan),
            "The digest stands for every byte of plan.json. “python -m almond analyse EXPORT --plan DIGEST” "
            "refuses an export of any other plan.",
        ),
    )


def plan_json(plan: StudyPlan) -> dict[str, Any]:
    """Return the document as JSON values: digest, texts by field, and by the questions of both forms."""
    texts = plan_texts(plan)
    stated = plan.to_json().get("preregistration")
    return {
        "title": plan.title,
        "digest": plan.digest,
        "deposit": deposit_line(plan),
        "preregistration": stated,
        "osf": {FIELDS[name].osf: text for name, text in texts.items()},
        "aspredicted": by_question(plan),
    }
