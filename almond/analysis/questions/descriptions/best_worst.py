"""Which images are chosen as best and as worst of four, and what goes with that?

The score of an image is how often it was best, less how often it was worst, over how often it was shown
(Louviere, Flynn & Marley, 2015). Beside it the mean difference between the best and the worst of a set in
whatever images have: direction towards a target, a predicted response, a norm. Unit: participants, and the
themes of the best and of the worst image, both random. Exploratory: no plan can call it primary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.questions.base import Context, NotApplicable, Question, Result
from almond.analysis.study_data import read_responses
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import Picture, Section, Table
from almond.report.figures_style import dot_with_interval, new_forest
from almond.report.wording import p_cell, p_text, signed, span, t_cell
from almond.stats.clustered.dyads import dyadic_mean
from almond.stats.multiple import holm
from almond.typing import Floats

NAME, KIND = "best_worst", "best_worst"
FAMILIES = {"targets": "direction towards a target", "scores": "predicted responses", "norms": "norms"}
SHOWN = 5


@dataclass(frozen=True)
class ImageScore:
    """How often an image was chosen as best and as worst of the sets in which it was shown; ``score`` is the
    difference over the latter, from -1 to 1."""

    construct: str
    stimulus: str
    shown: int
    best: int
    worst: int
    score: float


def judged_sets(context: Context) -> pd.DataFrame:
    """Return a row for each image of each set that the participants analysed saw as the plan has it.

    :raises NotApplicable: there are none.
    """
    rows = read_responses(context.data, KIND)
    if not len(rows):
        raise NotApplicable("the export holds no choices of the best and worst of four")
    digests = context.data.stimuli.set_index("stimulus_id")["image_sha256"]
    right = rows["stimulus_id"].map(digests) == rows["image_sha256"]
    wrong = set(rows.loc[~right, "response_id"])
    kept = rows["participant_id"].isin(context.sample.participants) & ~rows["response_id"].isin(wrong)
    if not kept.any():
        raise NotApplicable(context.sample.why_nobody)
    return rows[kept].reset_index(drop=True)


def best_worst_scores(rows: pd.DataFrame) -> list[ImageScore]:
    """Count for every construct and image, highest score first."""
    table = rows.assign(best=rows["score"] == 1, worst=rows["score"] == -1)
    counts = table.groupby(["construct", "stimulus_id"]).agg(
        shown=("score", "size"), best=("best", "sum"), worst=("worst", "sum")
    )
    scores = [
        ImageScore(construct, stimulus, int(shown), int(best), int(worst), float((best - worst) / shown))
        for (construct, stimulus), shown, best, worst in counts.itertuples(name=None)
    ]
    return sorted(scores, key=lambda one: (one.construct, -one.score, one.stimulus))


def predictors_of(context: Context) -> Iterator[tuple[str, str, pd.Series[float]]]:
    """Yield (family, name, value by stimulus) of everything that images may have more or less of."""
    stimuli = context.data.stimuli.set_index("stimulus_id")
    for target in context.data.plan.targets:
        own = stimuli["direction"].where(stimuli["intended_target"] == target, 0)
        yield "targets", target, own.astype(float)
    for family, columns in (("scores", context.data.score_columns), ("norms", context.data.norm_columns)):
        for column in columns:
            yield family, column.split("_", 1)[1], stimuli[column].astype(float)


def best_less_worst(rows: pd.DataFrame, values: pd.Series[float]) -> dict[str, Any]:
    """Test the mean difference between the best and the worst of a set in standard deviations over images.

    :param rows: of one construct. :param values: by stimulus; sets whose best or worst has none are left out.
    :raises InputError: the images do not differ, or too few people or themes.
    """
    ends = {
        name: rows[rows["score"] == score].set_index("response_id")
        for name, score in (("best", 1), ("worst", -1))
    }
    best, worst = ends["best"], ends["worst"].reindex(ends["best"].index)
    spread = float(values.reindex(rows["stimulus_id"].unique()).std())
    if not spread > 0:
        raise InputError("images of the sets", "do not differ in it", "values that differ")
    gaps: Floats = (best["stimulus_id"].map(values) - worst["stimulus_id"].map(values)).to_numpy(np.float64)
    told = ~np.isnan(gaps)
    units = list(zip(best["theme"][told], worst["theme"][told], strict=True))
    test = dyadic_mean(gaps[told] / spread, best["participant_id"][told].to_numpy(), units)
    return {
        "difference": test.estimate,
        "se": test.se,
        "t": test.t,
        "df": test.df,
        "p": test.p,
        "low": test.low,
        "high": test.high,
        "sets": int(told.sum()),
    }


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rows = judged_sets(context)
    tests: list[dict[str, Any]] = []
    absent: dict[str, str] = {}
    for family, name, values in predictors_of(context):
        for construct, own in rows.groupby("construct", sort=True):
            label = {"family": family, "predictor": name, "construct": str(construct)}
            try:
                tests.append({**label, **best_less_worst(own, values)})
            except InputError as error:
                absent[f"{name}, {construct}"] = str(error)
        progress.report(0.5, f"best and worst by {name}")
    for family in FAMILIES:
        together = [row for row in tests if row["family"] == family]
        for row, p in zip(together, holm([row["p"] for row in together]), strict=True):
            row["p_holm"] = p
    return {
        "unit": "participants, and the themes of the best and the worst image, both random",
        "units": {
            "participants": int(rows["participant_id"].nunique()),
            "sets": int(rows["response_id"].nunique()),
            "stimuli": int(rows["stimulus_id"].nunique()),
            "themes": int(rows["theme"].nunique()),
        },
        "images": best_worst_scores(rows),
        "tests": tests,
        "absent": absent,
    }


def _headline(result: Result, alpha: float) -> str | None:
    rows = [row for row in result["tests"] if row["p_holm"] <= alpha]
    if not rows:
        return None
    row = min(rows, key=lambda row: (row["p_holm"], row["p"]))
    more = "more" if row["difference"] > 0 else "less"
    return (
        f"Of four images, the one chosen as best for {row['construct']} had {more} {row['predictor']} than "
        f"the worst: {signed(row['difference'])} SD ({p_text(row['p_holm'])} over {len(result['tests'])} "
        "exploratory tests)."
    )


def _section(title: str, result: Result) -> Section:
    units = result["units"]
    constructs = dict.fromkeys(image["construct"] for image in result["images"])
    heads = {family: head for family, head in FAMILIES.items() if _of(result, family)}
    return Section(
        title=title,
        paragraphs=(
            f"{units['sets']} sets of four by {units['participants']} participants, {units['stimuli']} "
            f"images of {units['themes']} themes. All of this is exploratory.",
        ),
        figures=(
            (
                Picture(
                    NAME,
                    "Difference between the best and the worst of a set with 95 % intervals, participants "
                    "and themes random. Dashed: none.",
                ),
            )
            if result["tests"]
            else ()
        ),
        tables=(
            *(_test_table(head, _of(result, family)) for family, head in heads.items()),
            *(
                _image_table(name, [row for row in result["images"] if row["construct"] == name])
                for name in constructs
            ),
        ),
        items=tuple(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        notes=(
            "Score: times best less times worst, over times shown; from -1 to 1. All images: result.json.",
        ),
    )


def _of(result: Result, family: str) -> list[Result]:
    return [row for row in result["tests"] if row["family"] == family]


def _test_table(head: str, rows: Sequence[Result]) -> Table:
    cells = tuple(
        (
            row["predictor"],
            row["construct"],
            str(row["sets"]),
            signed(row["difference"]),
            span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]),
            p_cell(row["p_holm"]),
        )
        for row in rows
    )
    columns = (head, "asked", "sets", "best less worst (SD)", "95 % interval", "t (df)", "p", "p Holm")
    return Table(columns, cells, text=(0, 1))


def _image_table(construct: str, images: Sequence[Result]) -> Table:
    """Show the images of a construct with the highest and with the lowest scores."""
    rows = [row for row in images if row["construct"] == construct]
    ends = [*rows[:SHOWN], *rows[max(SHOWN, len(rows) - SHOWN) :]]
    cells = tuple(
        (row["stimulus"], str(row["shown"]), str(row["best"]), str(row["worst"]), signed(row["score"]))
        for row in ends
    )
    return Table((f"{construct}: highest and lowest", "shown", "best", "worst", "score"), cells, text=(0,))


def _figures(result: Result) -> dict[str, Figure]:
    rows = result["tests"]
    if not rows:
        return {}
    figure, axes = new_forest([f"{row['predictor']} · {row['construct']}" for row in rows], 0.27)
    for y, row in enumerate(rows):
        dot_with_interval(axes, y, row["difference"], row["low"], row["high"], size=6.0)
    axes.set_xlabel("best less worst (SD), 95 % interval")
    return {NAME: figure}


def _methods(_: Result) -> str:
    return (
        "Best and worst of four: score of an image, times best less times worst over times shown "
        "(Louviere, Flynn & Marley, 2015). Exploratory: the mean difference between the best and the worst "
        "of a set, in standard deviations over images, by t with participants and themes random (two-way "
        "clustered variance; sets that share the theme of their best or worst image are correlated, as "
        "pairs of photographs are); Holm within targets, predicted responses and norms."
    )


QUESTION = Question(
    name=NAME,
    title="Which images are chosen as best and as worst?",
    order=37,
    work=0.05,
    run=_run,
    section=_section,
    methods=_methods,
    figures=_figures,
    headline=_headline,
)
