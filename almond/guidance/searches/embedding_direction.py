"""An adapter's picture, turned towards the score among embeddings of photographs; nothing is guided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from almond.errors import InputError
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.methods import Method, Setting
from almond.guidance.photographs.pictured import with_embedding
from almond.guidance.photographs.reference import embedded_reference, score_direction, turned
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, sample
from almond.guidance.searches.ascent import check_unguided
from almond.guidance.searches.context import SearchContext

METHOD = Method(
    summary="Fit the score on image embeddings of photographs, turn the embedding of the adapter's picture "
    "towards it, and sample with that, from noise or from a photograph that is noised in part. No gradient "
    "passes through scorer, decoder or denoiser.",
    formula="w = argmin sum_i (V_i - w'e_i - b)^2 + k |w|^2; e <- |e| (cos a e / |e| + sin a u), u the unit "
    "vector of w - (w'e) e / |e|^2; k by leaving one photograph out",
    reference="García Cerdas et al. 2024 (BrainACTIV), with a ridge regression on scores and a turn by an "
    "angle; IP-Adapter: Ye et al. 2023; partial noising: Meng et al. 2022 (SDEdit)",
    cost="the passes of one unguided image; once per folder of photographs an embedding and a score of each",
    fails="It can go only where embeddings differ among the photographs, and says nothing where the score is "
    "not linear in them: r2 of left-out photographs, which each image records, is then near or below 0, and "
    "the turn is one in a random direction. What the adapter's scale leaves out of the picture does not "
    "move. Large angles leave the embeddings that the adapter was trained with.",
    trajectory="turned",
    settings={
        "angle": Setting(
            meaning="degrees by which the embedding is turned", default=30.0, low=0.0, high=90.0
        ),
    },
)


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Return the images of turned embeddings; ``searched`` holds angle, penalty, ``r2`` of photographs that
    were left out, and what the regression predicts before and after the turn.

    :raises InputError: a generator without an IP-Adapter over one embedding, a recipe without reference
        photographs, one that a rule guides as well, or one without a direction.
    """
    generator = context.generator
    if not isinstance(generator, DiffusionGenerator) or generator.adapter is None:
        problem = f"{generator.name} has no IP-Adapter"
        raise InputError("search embedding-direction", problem, "an adapter that is loaded with the model")
    return [_turned_image(recipe, context, generator) for recipe in recipes]


def _turned_image(recipe: Recipe, context: SearchContext, generator: DiffusionGenerator) -> Generated:
    check_unguided(recipe)
    adapter = generator.adapter
    if adapter is None or recipe.adapter is None or recipe.adapter.reference_sha256 is None:
        raise InputError("recipe.adapter.reference", "is missing", "a folder of photographs")
    embeddings, scores = embedded_reference(generator, context.scorer, recipe.adapter.reference_sha256)
    names = context.scorer.names
    weights = np.array([recipe.direction * recipe.objective.get(name, 0.0) for name in names])
    fit = score_direction(embeddings, scores @ weights)
    picture = generator.pictures.read(recipe.adapter.image_sha256, "recipe.adapter.image")
    before = adapter.embeddings([picture])[0].double().numpy()
    angle = recipe.full_settings["angle"]
    after = turned(before, fit.weights, angle)
    record: dict[str, Any] = {
        "angle": angle,
        "penalty": fit.penalty,
        "r2": fit.r2,
        "predicted": [fit.predict(before), fit.predict(after)],
    }
    own = with_embedding(generator, torch.from_numpy(after))
    (made,) = sample([recipe], replace(context, generator=own))
    return replace(made, searched={**record, "evaluations": float(len(made.trace))})
