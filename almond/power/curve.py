"""The power of a planned study: how often its primary tests find an effect, and how often without one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from almond.analysis.questions.base import NotApplicable, Question
from almond.analysis.study_data import StudyData
from almond.design.plan import StudyPlan
from almond.design.power_settings import Point, PowerSettings, check_settings
from almond.errors import InputError
from almond.power.designs import design_at
from almond.power.layout import DesignLayout, make_layout
from almond.power.results import PowerResult, summarise
from almond.power.store import P, StudyKey, StudyStore
from almond.power.studies import analysed, p_value, primary_questions, simulate
from almond.progress import Progress, Silent
from almond.rng import derive_seed, generator
from almond.world.rater_model import RaterModel

EFFECT, STUDIES, LISTS = 0.35, 200, 8


def power_curve(
    plan: StudyPlan,
    raters: RaterModel | None = None,
    *,
    people: Sequence[int] = (),
    themes: Sequence[int] = (),
    effects: Sequence[float] = (EFFECT,),
    studies: int = STUDIES,
    seed: int = 0,
    lists: int = LISTS,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> PowerResult:
    """Simulate studies of a plan's design and count how often each primary test rejects.

    The plan's own numbers of participants and themes are always simulated, and every design also without an
    effect, with the same random numbers. The same arguments give the same result.

    :param raters: who answers; ``RaterModel()`` by default.
    :param people: numbers of participants, each with the plan's themes.
    :param themes: numbers of themes, each with the plan's participants.
    :param effects: in SD of one rating (``almond.world.rater_model``).
    :param studies: simulated studies of each design and effect.
    :param lists: lists of trials that are dealt; no more than participants.
    :param keep: file of finished studies, from which an interrupted analysis goes on; for the same arguments.
    :raises InputError: for what cannot be simulated, or a primary test that no study allows.
    """
    settings = check_settings(
        plan,
        raters or RaterModel(),
        people=people,
        themes=themes,
        effects=effects,
        studies=studies,
        seed=seed,
        lists=lists,
    )
    return run_power(settings, keep=keep, progress=progress)


def run_power(
    settings: PowerSettings, *, keep: Path | None = None, progress: Progress | None = None
) -> PowerResult:
    """Run a power analysis whose settings were checked."""
    progress, store, done = progress or Silent(), StudyStore(keep), 0
    whole = len(settings.points) * settings.studies
    for point in settings.points:
        text = f"{point.people} participants, {point.themes} themes"
        progress.report(done / whole, text)
        for _ in _run_point(settings, point, store):
            done += 1
            progress.report(done / whole, f"{text}: study {(done - 1) % settings.studies + 1}")
    result = summarise(settings, store.finished)
    progress.report(1.0, "simulated")
    return result


def _run_point(settings: PowerSettings, point: Point, store: StudyStore) -> Iterator[int]:
    """Simulate and analyse the studies of one design that are not finished; yields after each number."""
    layout = None
    for study in range(settings.studies):
        for effect in settings.levels:
            key = StudyKey(point.people, point.themes, effect, study)
            if key not in store.finished:
                layout = layout or _layout_at(settings, point)
                store.add(key, _study(settings, layout, key))
        yield study


def _layout_at(settings: PowerSettings, point: Point) -> DesignLayout:
    plan = design_at(settings.plan, people=point.people, themes=point.themes, seed=settings.seed)
    layout = make_layout(plan, min(settings.lists, point.people))
    if point == settings.planned:
        _check_tests(settings, layout)
    return layout


def _study(settings: PowerSettings, layout: DesignLayout, key: StudyKey) -> P:
    """Simulate a study and test it; a test that cannot run gives None."""
    purpose = ("power", key.people, key.themes, key.study)
    rng = generator(settings.seed, *purpose)
    data = simulate(layout, settings.raters, people=key.people, effect=key.effect, rng=rng)
    return _p_values(primary_questions(layout), data, derive_seed(settings.seed, *purpose, "analysis"))


def _p_values(questions: Sequence[Question], data: StudyData, seed: int) -> P:
    context = analysed(data, seed)
    p: P = {}
    for question in questions:
        try:
            p[question.name] = p_value(question, context)
        except (NotApplicable, InputError):  # too few people stayed, or too few themes: nothing is found
            p[question.name] = None
    return p


def _check_tests(settings: PowerSettings, layout: DesignLayout) -> None:
    """Raise ``InputError`` where a primary test cannot run though everybody stays, with its reason."""
    raters = settings.raters.model_copy(update={"drop_out": 0.0, "careless": 0.0})
    rng = generator(settings.seed, "power", "check")
    data = simulate(layout, raters, people=layout.plan.participants, effect=0.0, rng=rng)
    context = analysed(data, settings.seed)
    for question in primary_questions(layout):
        try:
            p_value(question, context)
        except (NotApplicable, InputError) as reason:
            raise InputError(
                f"primary test {question.name!r}", f"cannot run: {reason}", "a test that the design allows"
            ) from reason
