"""One simulated study: who takes part, what they answer, and the p values of the plan's primary tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from almond.analysis.questions.base import (
    Context,
    NotApplicable,
    Question,
    Settings,
    make_context,
    plain_values,
)
from almond.analysis.study_data import StudyData
from almond.design.questions import QUESTIONS
from almond.design.trials import TRIAL_KINDS
from almond.power.layout import CHOICE, RATING, WHEN, AnswerRows, DesignLayout
from almond.progress import Silent
from almond.typing import Floats, Indices
from almond.world.rater_model import RaterModel, TimeModel
from almond.world.simulated_answers import draw_choice_answers, draw_predictors, draw_rating_answers

MOST_PERMUTATIONS = 499
"""Permutations of a test in a simulated study: its level is exact with any number, and more change little."""


@dataclass(frozen=True, eq=False)
class Attendance:
    """Everybody who joined: codes (P,) of their ``lists``, how many trials they ``done``, who looks, and the
    ``pace`` by which the times of their trials are multiplied."""

    lists: Indices
    done: Indices
    looking: Floats
    pace: Floats


def draw_attendance(
    layout: DesignLayout, people: int, raters: RaterModel, rng: np.random.Generator
) -> Attendance:
    """Draw who joins: for each place those who leave it, then, if places are filled again, one who stays.

    Without replacement everybody has one place, and those who leave are missing.
    """
    if raters.replaced:
        tries = rng.geometric(1.0 - raters.drop_out, size=people)
    else:
        tries = np.ones(people, np.int64)
    place = np.repeat(np.arange(people), tries)
    stays = np.zeros(len(place), bool)
    stays[np.cumsum(tries) - 1] = True
    if not raters.replaced:
        stays = rng.random(people) >= raters.drop_out
    lists = place % len(layout.trials)
    planned = np.array(layout.trials)[lists]
    done = np.where(stays, planned, np.floor(planned * rng.random(len(place))).astype(np.int64))
    looking = (rng.random(len(place)) >= raters.careless).astype(np.float64)
    return Attendance(lists, done, looking, draw_pace(raters.times, looking, rng))


def draw_pace(times: TimeModel, looking: Floats, rng: np.random.Generator) -> Floats:
    """Draw the pace (P,) of people, of median 1 for those who look."""
    pace = np.where(looking > 0, 1.0, times.careless_share)
    if times.person_sd > 0:
        pace = pace * np.exp(times.person_sd * rng.standard_normal(len(looking)))
    return np.asarray(pace, np.float64)


def simulate(
    layout: DesignLayout, raters: RaterModel, *, people: int, effect: float, rng: np.random.Generator
) -> StudyData:
    """Simulate one study as the analysis reads it from an export.

    :param people: places; as many finish as the rater model lets.
    :param effect: in SD of one rating. The same ``rng`` gives the same people and noise with every effect.
    """
    who = draw_attendance(layout, people, raters, rng)
    predictors = draw_predictors(raters.predictors, layout.images, rng) if layout.natural else None
    stimuli = layout.stimuli
    if predictors is not None:
        scores = {f"score_{number + 1}": column for number, column in enumerate(predictors.T)}
        stimuli = stimuli.assign(**scores)
    ratings = _ratings(layout, who, raters, effect, rng, predictors=predictors)
    choices = _choices(layout, who, raters, effect, rng)
    return StudyData(
        manifest={"files": {}, "simulated": True},
        plan=layout.plan,
        participants=_participants(layout, who, visit_seconds((ratings, choices), who, raters.times)),
        ratings=ratings,
        choices=choices,
        stimuli=stimuli,
        theme_remark=layout.plan.theme_remark,
    )


def names_of(people: int) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    return np.array([f"p{number:05d}" for number in range(people)])


def visit_seconds(tables: Sequence[pd.DataFrame], who: Attendance, times: TimeModel) -> Floats:
    """Add up the seconds (P,) of the trials that each participant answered, and of those between them."""
    seconds = times.between_trials * who.done
    for table in tables:
        trials = table.drop_duplicates("trial_id") if len(table) else table
        spent = trials.groupby("participant_id")["rt_ms"].sum() if len(trials) else pd.Series(dtype=float)
        seconds = seconds + spent.reindex(names_of(len(who.lists)), fill_value=0.0).to_numpy() / 1000.0
    return np.asarray(seconds, np.float64)


def _participants(layout: DesignLayout, who: Attendance, seconds: Floats) -> pd.DataFrame:
    ends = [(datetime.fromisoformat(WHEN) + timedelta(seconds=own)).isoformat() for own in seconds.tolist()]
    planned = np.array(layout.trials)[who.lists]
    finished = who.done >= planned
    return pd.DataFrame(
        {
            "participant_id": pd.Series(names_of(len(who.lists)), dtype="str"),
            "kind": "person",
            "list": who.lists,
            "status": np.where(finished, "finished", "active"),
            "started_at": WHEN,
            "finished_at": np.where(finished, ends, ""),
            "trials_planned": planned,
            "trials_done": who.done,
        }
    )


def _answered(rows: AnswerRows, who: Attendance) -> tuple[Indices, Indices]:
    """Return the rows of all lists that were answered, one participant after the other, and by whom."""
    mine = [rows.rows[number] for number in who.lists]
    mine = [own[rows.trial[own] < done] for own, done in zip(mine, who.done, strict=True)]
    person = np.repeat(np.arange(len(mine)), [len(own) for own in mine])
    return np.concatenate(mine) if mine else np.zeros(0, np.int64), person


def _frame(
    rows: AnswerRows, taken: Indices, person: Indices, who: Attendance, **answers: Any
) -> pd.DataFrame:
    names = pd.Series(names_of(len(who.lists)), dtype="str")
    frame = rows.frame.take(taken).reset_index(drop=True)
    response = pd.Series(
        np.char.add(np.char.add("r", person.astype(str)), np.char.add("-", rows.trial[taken].astype(str))),
        dtype="str",
    )
    return frame.assign(
        participant_id=names.take(person).array, response_id=response, trial_id=response, **answers
    )


def _times(
    layout: DesignLayout,
    kind: str,
    trials: tuple[Indices, Indices],
    who: Attendance,
    *,
    spread: float,
    rng: np.random.Generator,
) -> Floats:
    """Draw response times (r,) in ms, one for every trial."""
    person, trial = trials
    seconds = _most_seconds(layout, kind)
    times = 1000.0 * seconds * np.exp(spread * rng.standard_normal((len(who.lists), max(layout.trials))))
    return np.asarray(times[person, trial] * who.pace[person], np.float64)


def _most_seconds(layout: DesignLayout, kind: str) -> float:
    """Return the time of a trial in the block of a kind whose trials take longest."""
    blocks = (block for block in layout.plan.blocks if block.kind == kind)
    return max((TRIAL_KINDS.load(kind).seconds(block) for block in blocks), default=0.0)


def _ratings(
    layout: DesignLayout,
    who: Attendance,
    raters: RaterModel,
    effect: float,
    rng: np.random.Generator,
    *,
    predictors: Floats | None,
) -> pd.DataFrame:
    rows = layout.ratings
    taken, person = _answered(rows, who)
    if not len(rows.frame):
        return rows.frame
    value = draw_rating_answers(
        raters,
        layout.images,
        (person, rows.item[taken], rows.construct[taken]),
        who.looking,
        len(layout.plan.constructs),
        effect=effect,
        rng=rng,
        predictor=None if predictors is None else predictors[:, 0],
    )
    times = _times(layout, RATING, (person, rows.trial[taken]), who, spread=raters.times.spread, rng=rng)
    return _frame(rows, taken, person, who, value=value, rt_ms=times)


def _choices(
    layout: DesignLayout, who: Attendance, raters: RaterModel, effect: float, rng: np.random.Generator
) -> pd.DataFrame:
    rows = layout.choices
    taken, person = _answered(rows, who)
    if not len(rows.frame):
        return rows.frame
    answered = (person, rows.item[taken])
    aligned = draw_choice_answers(raters, layout.pairs, answered, who.looking, effect=effect, rng=rng)
    times = _times(layout, CHOICE, (person, rows.trial[taken]), who, spread=raters.times.spread, rng=rng)
    frame = _frame(rows, taken, person, who, rt_ms=times, aligned=aligned.astype(np.int64))
    told = frame["high_side"] != ""  # of pairs of photographs the plan may call neither the higher
    high = frame["high_side"].where(told, "left")
    chosen = high.where(aligned, high.map({"left": "right", "right": "left"}))
    frame = frame.assign(chosen=chosen)
    return frame if told.all() else frame.assign(aligned=frame["aligned"].where(told))


def primary_questions(layout: DesignLayout) -> list[Question]:
    """Load the primary tests of a plan."""
    return [QUESTIONS.load(name) for name in layout.plan.analysis.primary]


def analysed(data: StudyData, seed: int) -> Context:
    """Start the analysis of a simulated study as that of an export starts."""
    plan = data.plan.analysis
    return make_context(data, Settings(min(plan.permutations, MOST_PERMUTATIONS), seed, plan.alpha))


def p_value(question: Question, context: Context) -> float | None:
    """Compute a test's p value by the functions with which the analysis does.

    :raises NotApplicable, InputError: as the analysis of an export says that a test did not run.
    """
    if question.confirm is not None:
        return question.confirm(context)
    if question.p is None:
        raise NotApplicable(f"{question.name} has no p value")
    return question.p(plain_values(question.run(context, Silent())))
