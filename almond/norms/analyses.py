"""Run all analyses of the validation on normed images, from predictions to plain JSON values."""

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
    RegressionDesign,
    RegressionResult,
    outcome_of,
    pair_difference,
    regress,
    regression_design,
    rows_of_part,
)
from almond.progress import Part, Progress
from almond.rng import generator
from almond.stats import anova
from almond.stats.correlation import correlations, fisher_z
from almond.stats.crossed import CoefficientTests, crossed_tests
from almond.stats.multiple import holm
from almond.stats.permutation import Order, correlation_p, theme_orders
from almond.stats.ttest import one_sample
from almond.typing import Floats

RATINGS = ("valence", "arousal")
TESTED = ("valence", "valence:arousal")
"""The coefficients whose differences between subregions are tested."""


@dataclass(frozen=True, eq=False)
class Analysed:
    """``data`` in JSON's types, and the arrays behind it: ``regressions[region, part]`` and
    ``decile_means[set, region, rating]`` (S, K)."""

    data: dict[str, Any]
    regressions: Mapping[tuple[str, str], RegressionResult]
    decile_means: Mapping[tuple[str, str, str], Floats]


class _Analysis:
    """The analyses of one run: outcomes, designs and permutations are computed once and shared."""

    def __init__(
        self, sets: Sequence[NormedSet], predictions: Predictions, settings: ValidationSettings
    ) -> None:
        self.sets = sets
        self.predictions = predictions
        self.settings = settings
        self.outcomes = {
            region: {
                image_set.name: outcome_of(predictions.own[image_set.name][region], settings.outcome)
                for image_set in sets
            }
            for region in predictions.regions
        }
        self.not_run: list[dict[str, str]] = []
        self.drawn: dict[str, dict[str, Order] | None] = {}
        self.designs: dict[str, dict[str, RegressionDesign]] = {}
        for part in PARTS:
            self._make_designs(part)

    def _make_designs(self, part: str) -> None:
        """Make the designs of a part of every set, or record why they cannot be made."""
        try:
            self.designs[part] = {
                image_set.name: regression_design(image_set, part, self.settings.neutral)
                for image_set in self.sets
            }
        except InputError as error:
            reason = f"{error.source}: {error.problem}"
            self.not_run.append({"analysis": f"regression on {part} images", "reason": reason})

    def orders(self, part: str) -> dict[str, Order] | None:
        """Return orders of a part of each set by whole themes, drawn once; None without permutations."""
        if part not in self.drawn:
            self.drawn[part] = self._draw(part) if self.settings.permutations else None
        return self.drawn[part]

    def _draw(self, part: str) -> dict[str, Order]:
        orders = {}
        for image_set in self.sets:
            rows = rows_of_part(image_set, part, self.settings.neutral)
            rng = generator(self.settings.seed, "validation", image_set.name, part)
            themes = np.asarray(image_set.themes)[rows]
            orders[image_set.name] = theme_orders(themes, self.settings.permutations, rng)
        return orders

    def correlation(self, region: str, rating: str) -> dict[str, Any]:
        """Correlate predictions with a rating: tests over subjects, and with images random."""
        ratings = {image_set.name: getattr(image_set, rating) for image_set in self.sets}
        own, others = self.predictions.own, self.predictions.others
        z = {name: fisher_z(correlations(own[name][region], values)) for name, values in ratings.items()}
        by_others = [fisher_z(correlations(others[name][region], values)) for name, values in ratings.items()]
        mean = np.mean(list(z.values()), axis=0)
        designs = [
            np.stack([np.ones(len(image_set.images)), getattr(image_set, f"z_{rating}")], axis=1)
            for image_set in self.sets
        ]
        outcomes = [outcome_of(own[image_set.name][region], "z") for image_set in self.sets]
        themes = [image_set.themes for image_set in self.sets]
        crossed = crossed_tests(designs, outcomes, ("intercept", rating), themes)[1]
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

    def decile(self, image_set: NormedSet, region: str, rating: str) -> tuple[dict[str, Any], Floats]:
        """Test deciles of a rating in one set; beside the tests the means (S, K)."""
        settings = self.settings
        values = getattr(image_set, rating)
        groups = deciles.members(values, settings.deciles, settings.decile_edges)
        outcome = self.outcomes[region][image_set.name]
        table = deciles.means(outcome, groups)
        orders = self.orders("all")
        p_friedman = p_contrast = None
        if orders is not None:
            p_friedman = deciles.friedman_p(outcome, groups, orders[image_set.name])
            p_contrast = deciles.contrast_p(outcome, groups, settings.decile_edges, orders[image_set.name])
        contrast = deciles.contrast(table, settings.decile_edges)
        row = {
            "set": image_set.name,
            "region": region,
            "rating": rating,
            "images": [int(count) for count in groups.sum(axis=1)],
            "means": [float(value) for value in table.mean(axis=0)],
            "friedman": {**asdict(deciles.friedman(table)), "p_images": p_friedman},
            "contrast": {**contrast.to_json(), "p_images": p_contrast},
        }
        return row, table

    def subregions(
        self, regressions: Mapping[tuple[str, str], RegressionResult], term: str
    ) -> dict[str, Any]:
        """Analyse the variance of a coefficient over the subregions; pairs, also with images random."""
        names = self.settings.subregions
        index = regressions[names[0], "all"].names.index(term)
        values = np.stack([regressions[name, "all"].coefficients[:, index] for name in names], axis=1)
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
        outcomes = [difference[name] for name in designs]
        names = next(iter(designs.values())).names
        matrices, themes = zip(*((row.matrix, row.themes) for row in designs.values()), strict=True)
        return crossed_tests(matrices, outcomes, names, themes)[names.index(term)]


def analyse(
    sets: Sequence[NormedSet],
    predictions: Predictions,
    settings: ValidationSettings,
    *,
    progress: Progress,
) -> Analysed:
    """Run correlations, deciles, regressions on all images and on parts, pairs, analyses of variance."""
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
            part: {
                image_set.name: int(rows_of_part(image_set, part, settings.neutral).sum())
                for image_set in sets
            }
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
    wanted = [
        (image_set, region, rating) for image_set in job.sets for region in job.outcomes for rating in RATINGS
    ]
    failed: dict[tuple[str, str], str] = {}
    for number, (image_set, region, rating) in enumerate(wanted):
        progress.report(number / len(wanted), f"{image_set.name}: deciles of {rating}, {region}")
        try:
            row, tables[image_set.name, region, rating] = job.decile(image_set, region, rating)
        except InputError as error:
            failed[image_set.name, rating] = error.problem
        else:
            rows.append(row)
    job.not_run += [
        {"analysis": f"deciles of {rating} in {name}", "reason": reason}
        for (name, rating), reason in failed.items()
    ]
    return rows, tables


def _all_regressions(job: _Analysis, progress: Progress) -> dict[tuple[str, str], RegressionResult]:
    regressions = {}
    wanted = [(region, part) for region in job.outcomes for part in job.designs]
    for number, (region, part) in enumerate(wanted):
        progress.report(number / len(wanted), f"regression on {part} images, {region}")
        regressions[region, part] = regress(job.designs[part], job.outcomes[region], job.orders(part))
    return regressions


def _against_control(
    job: _Analysis, regressions: Mapping[tuple[str, str], RegressionResult]
) -> list[dict[str, Any]]:
    """Test every region's coefficients minus the control region's: paired over subjects, and crossed."""
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
