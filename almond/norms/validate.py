"""Validate fitted encoders on images with norms, from artifacts to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from almond import __version__
from almond.encoding.artifacts.artifact import ENCODER
from almond.encoding.artifacts.catalogue import Stored, remarks_of
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.validation import ValidationSettings
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.norms.analyses import analyse
from almond.norms.images import NormedSet, read_sets
from almond.norms.output import KIND, Results, write_results
from almond.norms.predictions import VoxelEffects, predict_sets, regressors, select_encoders
from almond.norms.voxelwise import VoxelMap, describe, voxel_maps
from almond.progress import Part, Progress
from almond.report.write import check_report_folder
from almond.rng import generator
from almond.stats.permutation import theme_orders
from almond.stimuli.nuisance import NUISANCE

FORMAT = f"{KIND}/1"
SETTINGS = (
    "control", "subregions", "low_level", "deciles", "decile_edges", "outcome", "neutral", "voxelwise",
    "alpha", "permutations", "seed",
)  # fmt: skip


def validate_norms(
    config: FitConfig, stored: Sequence[Stored], *, out: Path, progress: Progress
) -> dict[str, Any]:
    """Predict the images of ``config.validation`` with every encoder and test associations with their norms.

    Writes into the folder ``out``: ``report.html``, ``report.md``, ``result.json``, ``figures/``,
    ``tables/*.csv`` and ``maps/*.nii.gz``. The folder appears whole, in the place of an earlier report of
    this kind; any other folder that is not empty is left alone.

    :param stored: fitted encoders, such as those that ``almond.encoding.artifacts.catalogue.collect`` finds.
    :returns: what ``result.json`` holds.
    :raises InputError: norms, images, encoders or settings that do not fit each other; nothing is written.
    """
    settings = config.validation
    if settings is None:
        raise InputError("validation", "is missing from the configuration", "sets of images with norms")
    check_report_folder(out, KIND)
    model = _model(stored, settings)
    regions = _regions(stored, model, settings)
    encoders = select_encoders(stored, model, regions)
    first = next(iter(encoders.values()))[0]
    card = FeatureSpaceCard(**ENCODER.read(first.path)["feature_space"])
    sets = read_sets(config, settings, card, progress=Part(progress, 0.0, 0.4))
    voxelwise = regions if settings.voxelwise else ()
    predictions, effects = predict_sets(encoders, sets, card, voxelwise, progress=Part(progress, 0.4, 0.5))
    analysed = analyse(sets, predictions, settings, progress=Part(progress, 0.5, 0.85))
    progress.report(0.85, "maps over voxels")
    maps = _maps(effects, sets, settings)
    data = {
        "format": FORMAT,
        "model": model,
        "regions": list(regions),
        "subjects": list(predictions.subjects),
        "sets": {image_set.name: {"images": len(image_set.images), **image_set.source} for image_set in sets},
        "low_level": list(NUISANCE if sets[0].low_level.shape[1] else ()),
        "settings": settings_json(settings),
        **analysed.data,
        "voxelwise": _voxelwise_rows(maps, effects, settings),
        "provenance": _provenance(config, encoders, card),
        **remarks_of(encoder for of_region in encoders.values() for encoder in of_region),
    }
    data["not_run"] = [*analysed.data["not_run"], *_not_mapped(voxelwise, effects)]
    progress.report(0.9, "report")
    write_results(Results(data, sets, predictions, analysed, effects, maps), out)
    progress.report(1.0, f"{out / 'report.html'}")
    return data


def _model(stored: Sequence[Stored], settings: ValidationSettings) -> str:
    """Return the model that the settings name, or the first of the encoders'."""
    models = list(dict.fromkeys(encoder.model for encoder in stored))
    if not models or (settings.model is not None and settings.model not in models):
        raise InputError(
            "validation.model",
            f"no encoder of {settings.model or 'any model'} was given",
            f"one of {', '.join(models)}" if models else "fitted encoders",
        )
    return settings.model or models[0]


def _regions(stored: Sequence[Stored], model: str, settings: ValidationSettings) -> tuple[str, ...]:
    """List the regions to test, in the order of the settings, else of the encoders; compared ones too."""
    fitted = tuple(dict.fromkeys(encoder.region for encoder in stored if encoder.model == model))
    compared = [*settings.subregions, *([settings.control] if settings.control else [])]
    named = [*(settings.regions or fitted), *compared]
    unknown = [name for name in named if name not in fitted]
    if unknown:
        raise InputError("validation.regions", f"{unknown[0]} was not fitted", f"some of {', '.join(fitted)}")
    return tuple(dict.fromkeys(named))


def settings_json(settings: ValidationSettings) -> dict[str, Any]:
    """Return the settings that change numbers, without this machine's folders."""
    repeated = {name: image_set.repeated for name, image_set in settings.sets.items()}
    return {**{name: settings.stored(name) for name in SETTINGS}, "repeated": repeated}


def _maps(
    effects: Mapping[str, VoxelEffects], sets: Sequence[NormedSet], settings: ValidationSettings
) -> dict[str, list[VoxelMap]]:
    designs = {image_set.name: regressors(image_set) for image_set in sets}
    orders = None
    if settings.permutations:
        orders = {
            image_set.name: theme_orders(
                image_set.themes,
                settings.permutations,
                generator(settings.seed, "validation", image_set.name, "voxels"),
            )
            for image_set in sets
        }
    return {region: voxel_maps(effect, orders, designs) for region, effect in effects.items()}


def _voxelwise_rows(
    maps: Mapping[str, Sequence[VoxelMap]],
    effects: Mapping[str, VoxelEffects],
    settings: ValidationSettings,
) -> list[dict[str, Any]]:
    return [
        {"region": region, **describe(voxel_map, effects[region], settings.alpha)}
        for region, region_maps in maps.items()
        for voxel_map in region_maps
    ]


def _not_mapped(wanted: Sequence[str], effects: Mapping[str, VoxelEffects]) -> list[dict[str, str]]:
    missing = [region for region in wanted if region not in effects]
    rows = [
        {"analysis": f"maps of {region}", "reason": "its encoders predict means over voxels, not voxels"}
        for region in missing
    ]
    flat = [region for region, effect in effects.items() if effect.grid is None]
    return rows + [
        {"analysis": f"NIfTI files of {region}", "reason": "its encoders do not say on which grid they lie"}
        for region in flat
    ]


def _provenance(
    config: FitConfig, encoders: Mapping[str, Sequence[Stored]], card: FeatureSpaceCard
) -> dict[str, Any]:
    return {
        "encoders": {
            region: {encoder.subject: encoder.digest for encoder in stored}
            for region, stored in encoders.items()
        },
        "feature_space": {"name": card.name, "digest": card.digest, "dimension": card.dimension},
        "fit": config.settings(),
        "code": f"almond {__version__}",
    }
