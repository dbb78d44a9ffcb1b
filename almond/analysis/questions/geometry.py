"""What is the geometry of the ratings, and is it that of the predicted responses?

Components with parallel analysis, canonical correlations on held-out themes, and representational similarity.
Unit: themes, permuted as wholes, with what belongs together within them; participants are fixed in the
permutation tests and random in the interval and t of the representational similarity, from which its answer
is taken: a claim about people in general has them random. A description: three views of one matrix share no
single p value.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from almond.analysis.geometry.figures import geometry_figures
from almond.analysis.geometry.section import geometry_headline, geometry_methods, geometry_section
from almond.analysis.questions.base import Context, NotApplicable, Question, count_units
from almond.analysis.rating_profiles import Profiles, select
from almond.analysis.trial_tables.rating_trials import rating_cube
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.errors import InputError
from almond.exchange.schema import LOWLEVEL
from almond.progress import Progress
from almond.stats.correlation import zscore
from almond.stats.geometry.block_orders import BlockOrders
from almond.stats.geometry.cross_validated_cca import REGULARISATION, cross_validated_cca, theme_folds
from almond.stats.geometry.parallel_analysis import component_stability, parallel_analysis
from almond.stats.geometry.representational_similarity import RatedPairs, representational_similarity
from almond.typing import Floats

MIN_THEMES, MIN_CONSTRUCTS = 6, 2
SPLITS = 200
"""Halvings of the participants."""
RESAMPLES = 200
"""Draws of themes and participants for the standard errors of the representational similarity."""
LARGEST, AT_ONCE = 4_000_000, 200_000_000
"""Dissimilarities of all participants that are compared at most; the same times resamples, of which there are
fewer (at least 50) where dissimilarities are many."""
PREDICTED, FEATURES = "predicted responses", "low-level features"


@dataclasses.dataclass(frozen=True, eq=False)
class ComparedImages:
    """What is analysed: profiles of images, people's own (P, n, K), models (n, D) by name, their orders.

    ``scores`` are the columns of the predicted responses.
    """

    profiles: Profiles
    cube: Floats
    models: Mapping[str, Floats]
    scores: tuple[str, ...]
    orders: BlockOrders
    skipped: dict[str, str]


def _rated_images(context: Context) -> ComparedImages:
    """Select the images, constructs and models.

    Of a study with guided images only these count: unguided ones have no place among targets.
    """
    rated = context.rated_profiles()
    guided = [row for row, target in enumerate(rated.targets) if target]
    profiles = select(rated, guided) if guided else rated
    varying = np.ptp(profiles.values, axis=0) > 1e-9
    skipped = {
        name: "does not vary over images"
        for name, varies in zip(profiles.constructs, varying, strict=True)
        if not varies
    }
    themes, constructs = len(set(profiles.themes)), int(varying.sum())
    if themes < MIN_THEMES or constructs < MIN_CONSTRUCTS:
        raise NotApplicable(
            f"{themes} themes and {constructs} constructs; at least {MIN_THEMES} and {MIN_CONSTRUCTS}"
        )
    rows = context.ratings[context.ratings["stimulus_id"].isin(profiles.stimuli)]
    cube = rating_cube(rows, profiles).values[:, :, varying]
    profiles = dataclasses.replace(
        profiles,
        constructs=tuple(np.asarray(profiles.constructs)[varying].tolist()),
        values=profiles.values[:, varying],
        raw=profiles.raw[:, varying],
    )
    stimuli = context.data.stimuli.set_index("stimulus_id").loc[list(profiles.stimuli)]
    scores = _scores(stimuli, context.data.score_columns, skipped)
    features = _complete(stimuli, [name for name in LOWLEVEL if name in stimuli], skipped)
    models: dict[str, Floats] = {}
    if scores:
        models[PREDICTED] = stimuli[list(scores)].to_numpy(dtype=np.float64)
    if features:
        models[FEATURES] = zscore(stimuli[list(features)].to_numpy(dtype=np.float64), axis=0)
    orders = BlockOrders(profiles.themes, profiles.targets, profiles.directions)
    return ComparedImages(profiles, cube, models, scores, orders, skipped)


def _scores(stimuli: pd.DataFrame, columns: tuple[str, ...], skipped: dict[str, str]) -> tuple[str, ...]:
    """Select scores by held-out subjects (judges) where there are any, else those of the guides."""
    present = _complete(stimuli, columns, skipped)
    judges = tuple(name for name in present if name.endswith("_judge"))
    return judges or present


def _complete(
    stimuli: pd.DataFrame, columns: tuple[str, ...] | list[str], skipped: dict[str, str]
) -> tuple[str, ...]:
    """Select the columns that every image has and that vary."""
    present = []
    for name in columns:
        values = stimuli[name].to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            skipped[name] = "absent for some images"
        elif np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
            skipped[name] = "does not vary over images"
        else:
            present.append(name)
    return tuple(present)


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    images = _rated_images(context)
    parts = {"components": _components, "cca": _canonical, "rsa": _similarity}
    results: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for number, (name, compute) in enumerate(parts.items()):
        progress.report(number / len(parts), f"geometry of ratings: {name}")
        try:
            results[name] = compute(context, images)
        except (InputError, NotApplicable) as reason:
            results[name], absent[name] = None, str(reason)
    return {
        "units": count_units(context.ratings, images.profiles),
        "unit": "themes, permuted as wholes; participants fixed, and random in the intervals of RSA",
        "constructs": images.profiles.constructs,
        "scores": images.scores,
        "permutations": context.settings.permutations,
        **results,
        "absent": absent,
        "skipped": images.skipped,
    }


def _components(context: Context, images: ComparedImages) -> dict[str, Any]:
    rng = context.rng("geometry", "components")
    components = parallel_analysis(
        images.profiles.values, lambda count: images.orders.draw(count, rng), context.settings.permutations
    )
    stability = component_stability(
        images.cube, components.retained, splits=SPLITS, rng=context.rng("geometry", "halves")
    )
    return {**vars(components), "stability": stability}


def _canonical(context: Context, images: ComparedImages) -> dict[str, Any]:
    if PREDICTED not in images.models:
        raise NotApplicable("stimuli.csv holds no predicted scores of all these images")
    orders = images.orders.batches(context.settings.permutations, context.rng("geometry", "cca"))
    themes = images.profiles.themes
    pairs = cross_validated_cca(images.profiles.values, images.models[PREDICTED], themes, orders)
    folds = int(theme_folds(themes).max()) + 1
    return {"pairs": pairs, "folds": folds, "regularisation": REGULARISATION}


def _similarity(context: Context, images: ComparedImages) -> dict[str, Any]:
    if not images.models:
        raise NotApplicable(context.words.no_models)
    sizes = np.unique(np.asarray(images.profiles.themes), return_counts=True)[1]
    cells = len(images.cube) * int(sizes.sum() ** 2 - (sizes**2).sum()) // 2
    if cells > LARGEST:
        raise NotApplicable(f"{cells} dissimilarities of all participants; at most {LARGEST} are compared")
    rng = context.rng("geometry", "rsa")
    similarity = representational_similarity(
        RatedPairs.of_ratings(images.cube, images.profiles.themes),
        images.models,
        images.orders.batches(context.settings.permutations, rng),
        resamples=min(RESAMPLES, max(50, AT_ONCE // cells)),
        rng=context.rng("geometry", "bootstrap"),
    )
    return vars(similarity)


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="geometry",
        title=words.geometry,
        order=47,
        work=0.15,
        run=_run,
        section=partial(geometry_section, words),
        methods=partial(geometry_methods, words),
        figures=geometry_figures,
        headline=geometry_headline,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
