"""Do people choose the image that was manipulated towards a higher predicted response?

Unit: participants and base scenes, both random; with several pairs per scene the pairs too. A binomial test
over trials, or one that treats only participants as random, takes correlated trials for independent ones and
rejects a true null in 20 to 50 percent of studies.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import expit

from almond.analysis.questions.base import (
    Context,
    NotApplicable,
    Question,
    Result,
    count_units,
    estimate_in,
    units_text,
)
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import GRID, SECOND, dot_with_interval, new_forest
from almond.report.wording import p_cell, p_text, percent, signed, t_cell
from almond.stats.mixed import RandomTerm, intercept_test
from almond.stats.multiple import holm
from almond.stats.sign_flip import SignFlip, sign_flip


@dataclass(frozen=True)
class Share:
    """The share of aligned choices of one participant or scene, over ``trials`` of them."""

    name: str
    share: float
    trials: int


@dataclass(frozen=True)
class ChoiceResult:
    """Alignment of choices with the direction of manipulation.

    ``estimate`` is the intercept in log odds with its t interval; ``probability`` is that of a typical
    participant and scene. ``p`` is the primary one: Wald t with ``df`` = (units of the smallest random
    factor) - 1. Where choices are ``separated`` (everybody chose alike, or alike within each unit of a
    factor) the mixed model has no maximum: estimate, ``sd`` and ``p`` are then those of the likelihood
    ratio with one factor random, the one whose p is largest.
    """

    target: str | None
    share: float
    estimate: float
    se: float | None
    t: float | None
    df: float
    p: float
    p_wald: float | None
    p_likelihood: float
    chi2: float
    probability: float
    probability_low: float
    probability_high: float
    sd: dict[str, float]
    singular: bool
    separated: bool
    sign_flip: SignFlip
    trials: int
    participants: int
    scenes: int
    pairs: int
    left_share: float
    by_participant: tuple[Share, ...]
    by_scene: tuple[Share, ...]


def alignment(
    choices: pd.DataFrame,
    *,
    rng: np.random.Generator,
    seed: int,
    flips: int = 10_000,
    target: str | None = None,
) -> ChoiceResult:
    """Test whether choices are aligned with the manipulation, over all of ``choices`` or one ``target``.

    ``choices`` has ``participant_id``, ``base_scene``, ``pair_id``, ``intended_target``, ``chosen`` and
    ``aligned`` (0 or 1). ``rng`` draws sign flips when there are too many scenes to list them all; ``seed``
    is recorded. Raises ``InputError`` with fewer than two participants or three scenes.
    """
    rows = choices if target is None else choices[choices["intended_target"] == target]
    name = f"choices of {target}" if target else "choices"
    people, scenes = rows["participant_id"].nunique(), rows["base_scene"].nunique()
    if people < 2 or scenes < 3:
        raise InputError(name, f"{people} participants, {scenes} base scenes", "at least 2 and 3")
    terms = _random_terms(rows)
    aligned = rows["aligned"].to_numpy(dtype=np.float64)
    test = intercept_test(aligned, terms)
    by_scene = _shares(rows, "base_scene")
    return ChoiceResult(
        target=target,
        share=float(aligned.mean()),
        p=test.ratio.p if test.p is None else test.p,
        p_likelihood=test.ratio.p,
        chi2=test.ratio.statistic,
        estimate=test.estimate,
        se=test.se,
        t=test.t,
        df=test.df,
        p_wald=test.p,
        probability=float(expit(test.estimate)),
        probability_low=test.low,
        probability_high=test.high,
        sd=test.sd,
        singular=test.singular,
        separated=test.separated,
        sign_flip=sign_flip(np.array([scene.share for scene in by_scene]) - 0.5, rng, seed, flips),
        trials=len(rows),
        participants=people,
        scenes=scenes,
        pairs=int(rows["pair_id"].nunique()),
        left_share=float((rows["chosen"] == "left").mean()),
        by_participant=_shares(rows, "participant_id"),
        by_scene=by_scene,
    )


def _random_terms(rows: pd.DataFrame) -> list[RandomTerm]:
    """Participants and base scenes; pairs as well when a scene has several."""
    terms = [
        RandomTerm("participant", rows["participant_id"].to_numpy()),
        RandomTerm("base scene", rows["base_scene"].to_numpy()),
    ]
    if rows["pair_id"].nunique() > rows["base_scene"].nunique():
        terms.append(RandomTerm("pair", rows["pair_id"].to_numpy()))
    return terms


def _shares(rows: pd.DataFrame, column: str) -> tuple[Share, ...]:
    table = rows.groupby(column)["aligned"].agg(["mean", "size"])
    return tuple(
        Share(str(name), float(mean), int(size))
        for name, mean, size in table.itertuples(index=True, name=None)
    )


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rows = context.sample.choices
    if not len(context.data.choices):
        raise NotApplicable("the export holds no choices")
    if not len(rows):
        raise NotApplicable("no participant completed every trial")
    if (rows["intended_target"] == "").any():
        raise NotApplicable("some pairs have no intended target")
    seed = context.settings.seed
    overall = alignment(rows, rng=context.rng("choices", "overall"), seed=seed)
    targets = sorted(set(rows["intended_target"]))
    tests, absent = [], {}
    for index, target in enumerate(targets):
        progress.report((index + 1) / (len(targets) + 1), f"choices of {target}")
        try:
            tests.append(alignment(rows, rng=context.rng("choices", target), seed=seed, target=target))
        except InputError as error:
            absent[target] = str(error)
    adjusted = holm([test.p for test in tests])
    return {
        "units": count_units(rows) | {"stimuli": 2 * int(rows["pair_id"].nunique())},
        "unit": "participants and base scenes, both random",
        "overall": overall,
        "targets": [
            {**dataclasses.asdict(test), "p_holm": p} for test, p in zip(tests, adjusted, strict=True)
        ],
        "absent": absent,
    }


def _headline(result: Result, alpha: float) -> str:
    overall = result["overall"]
    if overall["p"] > alpha:
        start = "Choices did not follow the manipulation beyond chance"
    elif overall["estimate"] > 0:
        start = "Choices followed the manipulation"
    else:
        start = "Choices were opposed to the manipulation"
    image = "the image manipulated towards a higher predicted response"
    return f"{start}: {image} was chosen in {percent(overall['share'])} of trials, {p_text(overall['p'])}."


def _key_number(result: Result) -> KeyNumber:
    overall = result["overall"]
    interval = " to ".join(percent(overall[f"probability_{end}"]) for end in ("low", "high"))
    return KeyNumber("aligned choices", percent(overall["share"]), f"model interval {interval}")


def _tests(result: Result) -> list[tuple[str, Result]]:
    return [("all", result["overall"]), *((row["target"], row) for row in result["targets"])]


def _section(title: str, result: Result) -> Section:
    overall = result["overall"]
    rows = tuple(
        (
            name,
            percent(row["share"]),
            signed(row["estimate"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p_wald"]),
            p_cell(row["p_likelihood"]),
            p_cell(row["sign_flip"]["p"]),
            p_cell(row["p_holm"]) if "p_holm" in row else "",
        )
        for name, row in _tests(result)
    )
    head = ("target", "aligned", "log odds", "t (df)", "p", "p likelihood", "p sign flips", "p Holm")
    people = tuple(
        (row["name"], percent(row["share"]), str(row["trials"])) for row in overall["by_participant"]
    )
    return Section(
        title=title,
        paragraphs=(
            f"{overall['trials']} choices by {units_text(result['units'])}. The left image was chosen in "
            f"{percent(overall['left_share'])} of trials.",
        ),
        figures=(
            Picture(
                "choices",
                "Above the line: probability for a typical participant and scene, mixed model, 95 % "
                "interval. Below: observed share in each base scene. Dashed: 50 %.",
            ),
        ),
        tables=(
            Table(head, rows),
            Table(("participant", "aligned", "choices"), people, folded="Share by participant"),
        ),
        items=tuple(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        notes=_notes(result),
    )


def _notes(result: Result) -> tuple[str, ...]:
    overall = result["overall"]
    spread = ", ".join(f"{name} {sd:.2f}" for name, sd in overall["sd"].items())
    flips = overall["sign_flip"]
    patterns = (
        f"all {flips['flips']} sign patterns"
        if flips["exact"]
        else f"{flips['flips']} sign flips, seed {flips['seed']}"
    )
    notes = [
        "Aligned: the image manipulated towards a higher predicted response was chosen. Random effects’ "
        f"standard deviations in log odds: {spread}. Overall sign-flip test: {patterns}."
    ]
    if separated := [name for name, row in _tests(result) if row["separated"]]:
        notes.append(
            f"Separated ({', '.join(separated)}): choices were all or none within people or scenes, which "
            "leaves the model no finite estimate; p is that of the likelihood ratio with people or with "
            "scenes random, whichever is larger."
        )
    if overall["singular"]:
        notes.append("A variance was estimated as zero in the overall model.")
    return tuple(notes)


def _figures(result: Result) -> dict[str, Figure]:
    """Draw the tests with intervals of the mixed model, and base scenes as observed shares."""
    tests, scenes = _tests(result), result["overall"]["by_scene"]
    labels = ["all choices", *(name for name, _ in tests[1:]), *(row["name"] for row in scenes)]
    figure, axes = new_forest(labels, 0.27, reference=50.0)
    for y, (_, row) in enumerate(tests):
        middle, low, high = (100 * row[f"probability{end}"] for end in ("", "_low", "_high"))
        dot_with_interval(axes, y, middle, low, high, size=8.5 if y == 0 else 6.5)
    for y, scene in enumerate(scenes, start=len(tests)):
        dot_with_interval(axes, y, 100 * scene["share"], None, None, color=SECOND, hollow=True, size=5.5)
    axes.axhline(len(tests) - 0.5, color=GRID, linewidth=1.2)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("aligned choices, %")
    return {"choices": figure}


def _methods(_: Result) -> str:
    return (
        "Choices: logistic mixed model of choosing the image manipulated towards a higher predicted response "
        "(Laplace approximation) with an intercept and random participants, base scenes and, where a scene "
        "has several, pairs; Wald t with degrees of freedom from the random factor with the fewest units, "
        "less one. Beside it the likelihood ratio and a sign-flip test over base scenes."
    )


QUESTION = Question(
    name="choices",
    title="Do people choose the image manipulated towards a higher predicted response?",
    order=30,
    work=0.15,
    run=_run,
    section=_section,
    methods=_methods,
    figures=_figures,
    p=lambda result: float(result["overall"]["p"]),
    estimate=lambda result, aim: estimate_in(dict(_tests(result)), aim, value="share", null=0.5),
    headline=_headline,
    key_number=_key_number,
)
