"""Do people choose the image that was manipulated towards a higher predicted response?

Unit: participants and themes, both random: seeds of one prompt share content. A binomial test over trials,
one that treats only participants as random, or only scenes, takes correlated trials for independent ones and
rejects a true null in 20 to 75 percent of studies. The test is on shares: a Wald test on the logit of a mixed
model loses power as choices come near unanimity, and rejects half of the true nulls where people are all or
none.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import expit

from almond.analysis.questions.base import (
    Context,
    EffectEstimate,
    Question,
    Result,
    count_units,
    estimate_in,
    units_text,
)
from almond.analysis.screening.shares import (
    PEOPLE,
    model_table,
    people_figure,
    people_picture,
    people_table,
    share_forest,
)
from almond.analysis.trial_tables.choice_trials import (
    choice_themes,
    count_undecided,
    of_targets,
    share_test,
    tested_choices,
)
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.wording import p_cell, p_text, percent, percent_span, t_cell
from almond.stats.mixed import RandomTerm, intercept_test
from almond.stats.multiple import holm
from almond.stats.two_way import least_p


@dataclass(frozen=True)
class Share:
    """The share of aligned choices of one participant or scene, over ``trials`` of them."""

    name: str
    share: float
    trials: int


@dataclass(frozen=True)
class ChoiceResult:
    """Alignment of choices with the direction of manipulation.

    ``share`` is tested against one half, participants and themes random: ``se``, ``t``, ``df``, ``p`` and the
    95 % interval ``low`` to ``high`` are of ``almond.stats.two_way``, ``limited`` too.

    The rest comes from a logistic mixed model, for a typical participant and theme: ``estimate`` is its
    intercept in log odds, ``probability`` the same as a probability with its interval, ``p_wald`` by t with
    ``model_df`` degrees of freedom. Where choices are ``separated`` (everybody chose alike, or alike within
    each unit of a factor) the model has no maximum, and estimate and ``sd`` are those of the likelihood ratio
    with one factor random, the one whose p is largest; ``on_bound`` where its standard deviation grows
    without end.
    """

    target: str | None
    share: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    limited: bool
    estimate: float
    estimate_se: float | None
    model_df: float
    p_wald: float | None
    p_likelihood: float
    chi2: float
    probability: float
    probability_low: float
    probability_high: float
    sd: dict[str, float]
    singular: bool
    separated: bool
    on_bound: bool
    trials: int
    participants: int
    scenes: int
    themes: int
    pairs: int
    left_share: float
    by_participant: tuple[Share, ...]
    by_scene: tuple[Share, ...]


def alignment(choices: pd.DataFrame, *, target: str | None = None) -> ChoiceResult:
    """Test whether choices are aligned with the manipulation, over all of ``choices`` or one ``target``.

    ``choices`` has ``participant_id``, ``theme``, ``base_scene``, ``pair_id``, ``intended_target``,
    ``chosen`` and ``aligned`` (0 or 1); without ``theme`` every base scene is a theme of its own. Raises
    ``InputError`` with fewer than two participants or three themes.
    """
    rows = choices if target is None else choices[choices["intended_target"] == target]
    test, themes = share_test(rows, target=target), choice_themes(rows)
    model = intercept_test(rows["aligned"].to_numpy(dtype=np.float64), _random_terms(rows, themes))
    return ChoiceResult(
        target=target,
        share=test.estimate,
        se=test.se,
        t=test.t,
        df=test.df,
        p=test.p,
        low=max(0.0, test.low),
        high=min(1.0, test.high),
        limited=test.limited,
        estimate=model.estimate,
        estimate_se=model.se,
        model_df=model.df,
        p_wald=model.p,
        p_likelihood=model.ratio.p,
        chi2=model.ratio.statistic,
        probability=float(expit(model.estimate)),
        probability_low=model.low,
        probability_high=model.high,
        sd=model.sd,
        singular=model.singular,
        separated=model.separated,
        on_bound=model.on_bound,
        trials=len(rows),
        participants=test.participants,
        scenes=int(rows["base_scene"].nunique()),
        themes=test.themes,
        pairs=int(rows["pair_id"].nunique()),
        left_share=float((rows["chosen"] == "left").mean()),
        by_participant=_shares(rows, "participant_id"),
        by_scene=_shares(rows, "base_scene"),
    )


def _random_terms(rows: pd.DataFrame, themes: pd.Series[str]) -> list[RandomTerm]:
    """List participants and themes; scenes within themes and pairs within scenes where there are several."""
    levels = (("theme", themes), ("base scene", rows["base_scene"]), ("pair", rows["pair_id"]))
    terms, units = [RandomTerm("participant", rows["participant_id"].to_numpy())], 0
    for name, labels in levels:
        if labels.nunique() > units:
            terms.append(RandomTerm(name, labels.to_numpy()))
        units = labels.nunique()
    return terms


def _shares(rows: pd.DataFrame, column: str) -> tuple[Share, ...]:
    table = rows.groupby(column)["aligned"].agg(["mean", "size"])
    return tuple(Share(str(unit), float(mean), int(size)) for unit, mean, size in table.itertuples(name=None))


def _retest(context: Context) -> EffectEstimate:
    test = share_test(tested_choices(context))
    return EffectEstimate(test.estimate, 0.5, test.p, test.low, test.high)


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rows = tested_choices(context)
    overall = alignment(rows)
    targets = sorted(set(rows["intended_target"]))
    tests, absent = [], {}
    for index, target in enumerate(targets):
        progress.report((index + 1) / (len(targets) + 1), f"choices of {target}")
        try:
            tests.append(alignment(rows, target=target))
        except InputError as error:
            absent[target] = str(error)
    adjusted = holm([test.p for test in tests])
    return {
        "units": count_units(rows) | {"stimuli": 2 * int(rows["pair_id"].nunique())},
        "unit": "participants and themes, both random",
        "overall": overall,
        "targets": [
            {**dataclasses.asdict(test), "p_holm": p} for test, p in zip(tests, adjusted, strict=True)
        ],
        "absent": absent,
        "excluded": _shares(of_targets(context.sample.set_aside), "participant_id"),
        **({} if (undecided := count_undecided(context)) is None else {"no_difference": undecided}),
    }


def _headline(words: Vocabulary, result: Result, alpha: float) -> str:
    overall = result["overall"]
    if overall["p"] > alpha:
        start = words.followed[0]
    elif overall["share"] > 0.5:
        start = words.followed[1]
    else:
        start = words.followed[2]
    interval = percent_span(overall["low"], overall["high"])
    return (
        f"{start}: participants chose {words.expected} in {percent(overall['share'])} of trials "
        f"(95 % CI {interval}; t({overall['df']:.0f}) = {overall['t']:.2f}, {p_text(overall['p'])})."
    )


def _key_number(words: Vocabulary, result: Result) -> KeyNumber:
    overall = result["overall"]
    interval = percent_span(overall["low"], overall["high"])
    return KeyNumber(
        words.aligned_choices, percent(overall["share"]), f"95 % interval {interval}, chance 50 %"
    )


def _tests(result: Result) -> list[tuple[str, Result]]:
    return [("all", result["overall"]), *((row["target"], row) for row in result["targets"])]


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    overall = result["overall"]
    return Section(
        title=title,
        paragraphs=(
            f"{overall['trials']} choices by {units_text(result['units'], words)}. "
            f"The left {words.image} was chosen in {percent(overall['left_share'])} of trials."
            f"{_undecided_words(result)}",
        ),
        figures=(
            Picture(
                "choices",
                "Above the line: observed share with its 95 % interval, participants and themes random. "
                f"Below: observed share in each {words.scene}. Dashed: 50 %.",
            ),
            people_picture(result, words.aligned_choices),
        ),
        tables=(
            _share_table(words, result),
            model_table(_tests(result), words.group),
            people_table(overall["by_participant"], result["excluded"], words.aligned),
        ),
        items=tuple(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        notes=_notes(words, result),
    )


def _undecided_words(result: Result) -> str:
    if "no_difference" not in result:
        return ""
    count, decided = result["no_difference"], result["overall"]["trials"]
    share = percent(count / (count + decided))
    return f" “No difference” was the answer in {count} further trials ({share}): they are in no share here."


def _share_table(words: Vocabulary, result: Result) -> Table:
    rows = tuple(
        (
            name,
            percent(row["share"]),
            percent_span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" ‡" if row["limited"] else ""),
            p_cell(row["p_holm"]) if "p_holm" in row else "",
        )
        for name, row in _tests(result)
    )
    return Table((words.group, words.aligned, "95 % interval", "t (df)", "p", "p Holm"), rows)


def _notes(words: Vocabulary, result: Result) -> tuple[str, ...]:
    overall, tests = result["overall"], _tests(result)
    spread = ", ".join(f"{name} {sd:.2f}" for name, sd in overall["sd"].items())
    notes = [
        f"{words.aligned.capitalize()}: {words.expected} was chosen. Random effects’ "
        f"standard deviations in log odds, mixed model of all choices: {spread}."
    ]
    if limited := [row for _, row in tests if row["limited"]]:
        units = min(min(row["participants"], row["themes"]) for row in limited)
        notes.append(
            "‡ The least p that the number of participants and themes allows: the probability that as many "
            f"coins all fall alike ({units} units: {p_cell(least_p(units))})."
        )
    if separated := [name for name, row in tests if row["separated"]]:
        notes.append(
            f"Separated ({', '.join(separated)}): choices were all or none within people or themes, which "
            "leaves the mixed model no finite estimate; its p is that of the likelihood ratio with people or "
            "with themes random, whichever is larger."
        )
    if bound := [name for name, row in tests if row["on_bound"]]:
        notes.append(
            f"On its bound ({', '.join(bound)}): the likelihood rises with the standard deviation up to the "
            "largest value that is searched; neither it nor the log odds is an estimate."
        )
    if overall["singular"]:
        notes.append("A variance was estimated as zero in the mixed model of all choices.")
    return tuple(notes)


def _figures(words: Vocabulary, result: Result) -> dict[str, Figure]:
    overall = result["overall"]
    return {
        "choices": share_forest(_tests(result), overall["by_scene"], words.aligned_choices),
        PEOPLE: people_figure(overall["by_participant"], result["excluded"], words.aligned_choices),
    }


def _methods(words: Vocabulary, _: Result) -> str:
    return (
        f"Choices: the share of trials in which {words.expected} "
        f"was chosen, tested against one half by t with participants and {words.themes} random: "
        "two-way clustered variance (participants plus themes minus their cells, not "
        "below the larger of the two; Cameron, Gelbach & Miller, 2011), degrees of freedom from the "
        "smaller number of units, less one. Beside it, for estimates, a logistic mixed model (Laplace "
        "approximation) with random participants and themes and, where there are several, scenes within "
        "themes and pairs within scenes."
    )


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="choices",
        title=words.chosen,
        order=30,
        work=0.15,
        run=_run,
        confirm=lambda context: share_test(tested_choices(context)).p,
        section=partial(_section, words),
        methods=partial(_methods, words),
        figures=partial(_figures, words),
        p=lambda result: float(result["overall"]["p"]),
        estimate=lambda result, aim: estimate_in(dict(_tests(result)), aim, value="share", null=0.5),
        headline=partial(_headline, words),
        key_number=partial(_key_number, words),
        retest=_retest,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
