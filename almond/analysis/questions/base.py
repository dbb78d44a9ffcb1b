"""What a statistical question is: what it needs, what it computes, and what a report says of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.external import stimuli_text
from almond.analysis.rating_profiles import Profiles, standardise, stimulus_profiles
from almond.analysis.sample import Sample, apply_exclusions
from almond.analysis.study_data import StudyData
from almond.analysis.vocabulary import EXTERNAL, GUIDED, Vocabulary, vocabulary_of
from almond.design.questions import DESCRIPTIONS, QUESTIONS
from almond.progress import Progress
from almond.report.document import KeyNumber, Section
from almond.rng import generator

Result = Mapping[str, Any]
"""The JSON values that one question leaves in result.json."""


class NotApplicable(Exception):
    """The export does not hold what a question needs; the message says what is missing."""


@dataclass(frozen=True)
class Settings:
    """What the person who runs an analysis may set."""

    permutations: int
    seed: int
    alpha: float


@dataclass(frozen=True)
class Context:
    """The data and settings that every question starts from; ``ratings`` hold the standardised ``z``."""

    data: StudyData
    sample: Sample
    settings: Settings
    ratings: pd.DataFrame
    constructs: tuple[str, ...]
    profiles: Profiles | None

    @property
    def words(self) -> Vocabulary:
        """The words for what differs between the stimuli of this study."""
        return EXTERNAL if self.data.plan.external else GUIDED

    def rng(self, *purpose: str) -> np.random.Generator:
        """Open the stream of random numbers of one purpose."""
        return generator(self.settings.seed, "analysis", *purpose)

    def rated_profiles(self) -> Profiles:
        """Return the profiles of all rated images.

        :raises NotApplicable: nobody finished, or nothing was rated.
        """
        if not self.sample.participants:
            raise NotApplicable(self.sample.why_nobody)
        if self.profiles is None or not self.profiles.stimuli:
            raise NotApplicable("the export holds no ratings")
        return self.profiles


@dataclass(frozen=True)
class EffectEstimate:
    """What a test estimates, for the verdict on a hypothesis.

    :param value: the estimate, with the ends ``low`` and ``high`` of its interval where it has one.
    :param null: its value where nothing is there: chance, or one half.
    :param p: p value of the very test that the estimate belongs to.
    :param se: standard error of the estimate, with the degrees of freedom ``df`` of its t; None where the
        interval comes by another way.
    """

    value: float
    null: float
    p: float
    low: float | None = None
    high: float | None = None
    se: float | None = None
    df: float | None = None


@dataclass(frozen=True)
class Aim:
    """The part of a test's result that a hypothesis is about; the test as a whole where both are None."""

    target: str | None = None
    construct: str | None = None

    @property
    def is_whole(self) -> bool:
        return self.target is None and self.construct is None


INTERVAL = ("low", "high", "se", "df")
"""What a row of results may hold beside an estimate and its p value."""


def estimate_in(rows: Mapping[str, Result], aim: Aim, *, value: str, null: float) -> EffectEstimate | None:
    """Take an estimate from rows by target, of which ``all`` is of the test as a whole.

    :param value: name of the estimate in a row; the ends of its interval, where it has one, are called
        ``low`` and ``high``, its p value ``p``, its standard error and degrees of freedom ``se`` and ``df``.
    """
    row = None if aim.construct else rows.get(aim.target or "all")
    if row is None or row["p"] is None:
        return None
    return EffectEstimate(row[value], null, row["p"], *(row.get(name) for name in INTERVAL))


@dataclass(frozen=True)
class Question:
    """One statistical question: the whole of what an analysis and its report know of it.

    :param name: its key in result.json, and in a plan's primary tests.
    :param title: the heading of its section.
    :param order: where its section stands among the others; small numbers come first.
    :param work: its part of the time that an analysis takes, in any unit common to all questions.
    :param run: compute its result, as numbers, texts, dataclasses, arrays and collections of these; raises
        ``NotApplicable`` for what the export lacks, ``InputError`` for what its data do not allow.
    :param section: (title, result) -> its section, or None where there is nothing to show.
    :param methods: settings of the run -> how it was done, one paragraph.
    :param figures: result -> the figures that its section names.
    :param p: result -> the p value of its test, None where the test did not run; absent for descriptions.
    :param estimate: (result, aim) -> the estimate of the whole test or of a part, None where it has none.
    :param confirm: context -> the p that ``run`` leads to, by the same functions, without what takes long
        beside it; None where the test did not run. Power analyses call it, or ``run`` where it is absent.
    :param headline: (result, alpha) -> its answer in one sentence.
    :param key_number: result -> its main number.
    :param retest: the estimate of the whole test with its p, without what else ``run`` computes: the test is
        repeated under other exclusions. Without it ``run`` is.
    :param in_words: the same question in other words; absent where its words fit every study.
    """

    name: str
    title: str
    order: int
    work: float
    run: Callable[[Context, Progress], Mapping[str, Any]]
    section: Callable[[str, Result], Section | None]
    methods: Callable[[Result], str]
    figures: Callable[[Result], dict[str, Figure]] = lambda _: {}
    p: Callable[[Result], float | None] | None = None
    estimate: Callable[[Result, Aim], EffectEstimate | None] = lambda *_: None
    confirm: Callable[[Context], float | None] | None = None
    headline: Callable[[Result, float], str | None] = lambda *_: None
    key_number: Callable[[Result], KeyNumber | None] = lambda _: None
    retest: Callable[[Context], EffectEstimate] | None = None
    in_words: Callable[[Vocabulary], Question] | None = None

    def worded(self, words: Vocabulary) -> Question:
        """Return the question as the report of a study with these words asks it."""
        return self if self.in_words is None else self.in_words(words)


def plain_values(value: Any) -> Any:
    """Turn dataclasses into objects, arrays and tuples into lists, NaN and infinities into None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_values(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain_values(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain_values(value.tolist())
    if isinstance(value, list | tuple):
        return [plain_values(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def load_questions() -> list[Question]:
    """Load every question, in the order of their runs: those with a test, then descriptions."""
    return [*QUESTIONS.entries().values(), *DESCRIPTIONS.entries().values()]


def answered(data: Mapping[str, Any]) -> list[tuple[Question, Result]]:
    """List the questions that an analysis could answer, each with its result, in the order of their runs.

    They speak of targets or of conditions, as the study does.
    """
    words = vocabulary_of(data)
    return [
        (question.worded(words), data[question.name])
        for question in load_questions()
        if data.get(question.name)
    ]


def make_context(data: StudyData, settings: Settings) -> Context:
    """Apply the exclusions and standardise the ratings that remain."""
    return context_of(data, apply_exclusions(data), settings)


def context_of(data: StudyData, sample: Sample, settings: Settings) -> Context:
    """Standardise the ratings of a sample."""
    ratings = standardise(sample.ratings)
    asked = set(ratings["construct"])
    constructs = tuple(item.name for item in data.plan.constructs if item.name in asked)
    profiles = stimulus_profiles(ratings, constructs) if len(ratings) else None
    return Context(data, sample, settings, ratings, constructs, profiles)


def count_units(rows: pd.DataFrame, profiles: Profiles | None = None) -> dict[str, int]:
    """Count the units behind a result: participants, themes, base scenes, stimuli."""
    columns = {"participants": "participant_id", "themes": "theme", "scenes": "base_scene"}
    units = {name: int(rows[column].nunique()) for name, column in columns.items()}
    if profiles is not None:
        units |= {
            "themes": len(set(profiles.themes)),
            "scenes": len(set(profiles.scenes)),
            "stimuli": len(profiles.stimuli),
        }
    return units


def units_text(units: Mapping[str, int], words: Vocabulary = GUIDED) -> str:
    """Write ``40 participants, 12 base scenes of 6 themes, 48 stimuli``."""
    if words is EXTERNAL:
        return f"{units['participants']} participants, {stimuli_text(units)}"
    stimuli = f", {units['stimuli']} stimuli" if "stimuli" in units else ""
    scenes = f"{units['scenes']} {words.scenes} of {units['themes']} themes"
    return f"{units['participants']} participants, {scenes}{stimuli}"
