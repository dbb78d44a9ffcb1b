"""All analyses of the validation on normed images, from predictions to plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from almond.encoding.config.validation import ValidationSettings
from almond.errors import InputError
from almond.norms import deciles
from almond.norms.images import NormedSet
from almond.norms.predictions import Predictions
from almond.norms.regression import (
    PARTS,
    Design,
    RegressionResult,
    choose_rows,
    design,
    outcome_of,
    pair_difference,
    regress,
)
from almond.progress import Part, Progress
from almond.rng import generator
from almond.stats import anova
from almond.stats.classification import holm
from almond.stats.crossed import CoefficientTests, crossed_tests
from almond.stats.permutation import Order, correlation_p, draw_orders
from almond.stats.ttest import correlations, fisher, one_sample
from almond.typing import Floats

RATINGS = ("valence", "arousal")
TESTED = ("valence", "valence:arousal")
"""The coefficients whose differences between subregions are tested."""


@dataclass(frozen=True, eq=False)
class Analysed:
    """``data`` is JSON-able; ``regressions[region, part]`` and ``decile_means[set, region, rating]`` (S, K)
    are what it was made of."""

    data: dict[str, Any]
    regressions: Mapping[tuple[str, str], RegressionResult]
    decile_means: Mapping[tuple[str, str, str], Floats]


class _Analysis:
    """The analyses share what was drawn and standardised once."""

    def __init__(
        self, sets: Sequence[NormedSet], predictions: Predictions, settings: ValidationSettings
    ) -> None:
        self.sets = sets
        self.predictions = predictions
        self.settings = settings
        self.outcomes = {
            region: {
                one.name: outcome_of(predictions.own[one.name][region], settings.outcome) for one in sets
            }
            for region in predictions.regions
        }
        self.not_run: list[dict[str, str]] = []
        self.drawn: dict[str, dict[str, Order] | None] = {}
        self.designs: dict[str, dict[str, Design]] = {}
        for part in PARTS:
            self._make_designs(part)

    def _make_designs(self, part: str) -> None:
        """The designs of a part of every set; where one cannot be made, the reason is kept instead."""
        try:
            self.designs[part] = {one.name: design(one, part, self.settings.neutral) for one in self.sets}
        except InputError as error:
            reason = f"{error.source}: {error.problem}"
            self.not_run.append({"analysis": f"regression on {part} images", "reason": reason})

    def orders(self, part: str) -> dict[str, Order] | None:
        """Orders of the images of a part of each set, drawn once; None when no permutations are wanted."""
        if part not in self.drawn:
            self.drawn[part] = self._draw(part) if self.settings.permutations else None
        return self.drawn[part]

    def _draw(self, part: str) -> dict[str, Order]:
        found = {}
        for one in self.sets:
            count = int(choose_rows(one, part, self.settings.neutral).sum())
            rng = generator(self.settings.seed, "validation", one.name, part)
            found[one.name] = draw_orders(self.settings.permutations, count, rng)
        return found

    def correlation(self, region: str, rating: str) -> dict[str, Any]:
        """Correlation of predictions with a rating: over subjects, and with images random."""
        ratings = {one.name: getattr(one, rating) for one in self.sets}
        own, others = self.predictions.own, self.predictions.others
        z = {name: fisher(correlations(own[name][region], values)) for name, values in ratings.items()}
        by_others = [fisher(correlations(others[name][region], values)) for name, values in ratings.items()]
        mean = np.mean(list(z.values()), axis=0)
        designs = [
            np.stack([np.ones(len(one.images)), getattr(one, f"z_{rating}")], axis=1) for one in self.sets
        ]
        outcomes = [outcome_of(own[one.name][region], "z") for one in self.sets]
        crossed = crossed_tests(designs, outcomes, ("intercept", rating))[1]
        orders = self.orders("all")
        p_images = None
        if orders is not None:
            p_images = correlation_p(list(ratings.values()), outcomes, [orders[name] for name in ratings])
        return {
            "region": region,
            "rating": rating,
            "r": float(np.tanh(mean.mean())),
            "r_by_set": {name: float(np.tanh(values.mean())) for name, values in z.items()},
            "r_by_subject": [float(value) for value in np.tanh(mean)],
            "r_others": float(np.tanh(np.mean(by_others))),
            "fisher_z": one_sample(mean).to_json(),
            "crossed": crossed.crossed.to_json(),
            "image_share": crossed.image_share,
            "p_images": p_images,
        }

    def decile(self, one: NormedSet, region: str, rating: str) -> tuple[dict[str, Any], Floats]:
        """Deciles of a rating in one set: means (S, K) beside the tests."""
        settings = self.settings
        values = getattr(one, rating)
        groups = deciles.members(values, settings.deciles, settings.decile_edges)
        outcome = self.outcomes[region][one.name]
        table = deciles.means(outcome, groups)
        orders = self.orders("all")
        p_friedman = p_contrast = None
        if orders is not None:
            p_friedman = deciles.friedman_p(outcome, groups, orders[one.name])
            p_contrast = deciles.contrast_p(outcome, groups, settings.decile_edges, orders[one.name])
        contrast = deciles.contrast(table, settings.decile_edges)
        row = {
            "set": one.name,
            "region": region,
            "rating": rating,
            "images": [int(count) for count in groups.sum(axis=1)],
            "means": [float(value) for value in table.mean(axis=0)],
            "friedman": {**asdict(deciles.friedman(table)), "p_images": p_friedman},
            "contrast": {**contrast.to_json(), "p_images": p_contrast},
        }
        return row, table

    def subregions(self, found: Mapping[tuple[str, str], RegressionResult], term: str) -> dict[str, Any]:
        """Analysis of variance of a coefficient over the subregions; pairs, also with images random."""
        names = self.settings.subregions
        index = found[names[0], "all"].names.index(term)
        values = np.stack([found[name, "all"].coefficients[:, index] for name in names], axis=1)
        pairs = [self._pair(pair, term) for pair in combinations(names, 2)]
        adjusted = holm([1.0 if test.crossed.p is None else test.crossed.p for test in pairs])
        crossed = [
            {"first": a, "second": b, **test.to_json(), "p_holm": p}
            for (a, b), test, p in zip(combinations(names, 2), pairs, adjusted, strict=True)
        ]
        return {
            "term": term,
            "subregions": list(names),
            "means": [float(value) for value in values.mean(axis=0)],
            "anova": anova.repeated_measures(values).to_json(),
            "pairs": [pair.to_json() for pair in anova.post_hoc(values, names)],
            "crossed_pairs": crossed,
        }

    def _pair(self, pair: tuple[str, str], term: str) -> CoefficientTests:
        designs = self.designs["all"]
        difference = pair_difference(self.outcomes[pair[0]], self.outcomes[pair[1]])
        chosen = [difference[name] for name in designs]
        names = next(iter(designs.values())).names
        return crossed_tests([one.matrix for one in designs.values()], chosen, names)[names.index(term)]


def analyse(
    sets: Sequence[NormedSet],
    predictions: Predictions,
    settings: ValidationSettings,
    *,
    progress: Progress,
) -> Analysed:
    """Correlations, deciles, regressions on all images and on parts of them, pairs, analyses of variance."""
    job = _Analysis(sets, predictions, settings)
    regions = predictions.regions
    rows = [job.correlation(region, rating) for region in regions for rating in RATINGS]
    progress.report(0.1, "correlations with the ratings")
    decile_rows, tables = _all_deciles(job, Part(progress, 0.1, 0.4))
    regressions = _all_regressions(job, Part(progress, 0.4, 0.9))
    control = _against_control(job, regressions)
    subregions = []
    if settings.subregions and (settings.subregions[0], "all") in regressions:
        subregions = [job.subregions(regressions, term) for term in TESTED]
    progress.report(1.0, "analyses done")
    data = {
        "correlations": rows,
        "deciles": decile_rows,
        "regression": [
            {"region": region, "part": part, **test.to_json()}
            for (region, part), result in regressions.items()
            for test in result.tests
        ],
        "parts": {
            part: {one.name: int(choose_rows(one, part, settings.neutral).sum()) for one in sets}
            for part in PARTS
        },
        "control": control,
        "subregions": subregions,
        "not_run": job.not_run,
    }
    return Analysed(data, regressions, tables)


def _all_deciles(
    job: _Analysis, progress: Progress
) -> tuple[list[dict[str, Any]], dict[tuple[str, str, str], Floats]]:
    rows, tables = [], {}
    wanted = [(one, region, rating) for one in job.sets for region in job.outcomes for rating in RATINGS]
    failed: dict[tuple[str, str], str] = {}
    for number, (one, region, rating) in enumerate(wanted):
        progress.report(number / len(wanted), f"{one.name}: deciles of {rating}, {region}")
        try:
            row, tables[one.name, region, rating] = job.decile(one, region, rating)
        except InputError as error:
            failed[one.name, rating] = error.problem
        else:
            rows.append(row)
    job.not_run += [
        {"analysis": f"deciles of {rating} in {name}", "reason": reason}
        for (name, rating), reason in failed.items()
    ]
    return rows, tables


def _all_regressions(job: _Analysis, progress: Progress) -> dict[tuple[str, str], RegressionResult]:
    found = {}
    wanted = [(region, part) for region in job.outcomes for part in job.designs]
    for number, (region, part) in enumerate(wanted):
        progress.report(number / len(wanted), f"regression on {part} images, {region}")
        found[region, part] = regress(job.designs[part], job.outcomes[region], job.orders(part))
    return found


def _against_control(
    job: _Analysis, regressions: Mapping[tuple[str, str], RegressionResult]
) -> list[dict[str, Any]]:
    """Every region's coefficients minus those of the control region: paired over subjects, and crossed."""
    control = job.settings.control
    if control is None or (control, "all") not in regressions:
        return []
    designs, rows = job.designs["all"], []
    for region in job.outcomes:
        if region == control:
            continue
        difference = pair_difference(job.outcomes[region], job.outcomes[control])
        result = regress(designs, difference, job.orders("all"))
        paired = regressions[region, "all"].coefficients - regressions[control, "all"].coefficients
        for index, test in enumerate(result.tests):
            checked = replace(test, subjects=one_sample(paired[:, index]))
            rows.append({"region": region, "control": control, **checked.to_json()})
    return rows
