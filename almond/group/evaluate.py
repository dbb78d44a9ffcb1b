"""``python -m almond evaluate``: from fitted encoders to tests over subjects, in one folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from almond import __version__
from almond.encoding.artifacts.catalogue import Stored, remarks_of
from almond.encoding.config.evaluation import EvaluationSettings
from almond.encoding.config.fit_config import FitConfig
from almond.errors import InputError
from almond.group.figures import draw_evaluation
from almond.group.model_summary import (
    ModelPerformance,
    Record,
    compare_subregions,
    compare_with_controls,
    subregion_names,
    summarise_performance,
)
from almond.group.random_parcellations import random_regions
from almond.group.region_images.evaluate import evaluate_images
from almond.group.region_images.images import TargetedImages, read_images
from almond.group.sections import evaluation_document
from almond.naming import slug
from almond.progress import Part, Progress
from almond.report.write import check_report_folder, report_folder, write_pages

KIND = "almond-evaluation"
FORMAT = f"{KIND}/1"


def evaluate_group(
    config: FitConfig, stored: Sequence[Stored], *, out: Path, progress: Progress
) -> dict[str, Any]:
    """Run the tests over subjects that ``config.evaluation`` asks for.

    Writes into the folder ``out``: ``report.html``, ``report.md``, ``result.json``, ``figures/`` and, per
    model, ``performance_*.csv`` and ``maps/<region>/`` (NIfTI, Fisher z as CSV and .npz). The folder appears
    whole, in the place of an earlier evaluation; any other folder that is not empty is left alone. What could
    not run is listed under ``not_run`` with its reason.

    :param stored: fitted encoders, such as those of ``almond.encoding.artifacts.catalogue.collect``.
    :returns: what ``result.json`` holds.
    :raises InputError: no encoders, names that they do not have, or a folder that holds something else.
    """
    settings = config.evaluation
    check_report_folder(out, KIND)
    models = _models(stored, settings)
    images = None
    if settings.stimuli is not None:
        images = read_images(config, settings.stimuli, Part(progress, 0.0, 0.15))
    start = 0.15 if images is not None else 0.0
    with report_folder(out, KIND) as fresh:
        results, performances, not_run = {}, {}, []
        for index, model in enumerate(models):
            share = (0.95 - start) / len(models)
            part = Part(progress, start + share * index, start + share * (index + 1))
            folder = fresh / slug(model) if len(models) > 1 else fresh
            own = [encoder for encoder in stored if encoder.model == model]
            record = Record(model)
            performances[model], results[model] = _one_model(
                own, settings, images, folder, record=record, progress=part
            )
            not_run += record.not_run
        not_run += _not_given(config, stored)
        values = {
            "format": FORMAT,
            "models": results,
            "not_run": not_run,
            "settings": settings.to_json(),
            "provenance": _provenance(stored),
            **remarks_of(stored),
        }
        data: dict[str, Any] = json.loads(json.dumps(values, allow_nan=False))
        progress.report(0.96, "report")
        write_pages(fresh, evaluation_document(data), draw_evaluation(data, performances), data)
    progress.report(1.0, str(out / "report.html"))
    return data


def _not_given(config: FitConfig, stored: Sequence[Stored]) -> list[dict[str, str]]:
    """List models of the configuration that were not left out by choice, but have no encoder here."""
    if config.encoders is not None or config.evaluation.models is not None:
        return []
    known = {encoder.model for encoder in stored}
    reason = "no encoder with weights of regions was given"
    absent = [model for model in config.models if model not in known]
    return [{"model": model, "analysis": "everything", "reason": reason} for model in absent]


def _models(stored: Sequence[Stored], settings: EvaluationSettings) -> list[str]:
    known = list(dict.fromkeys(encoder.model for encoder in stored))
    if not known:
        raise InputError("evaluation", "no fitted encoder was given", "artifacts of `python -m almond fit`")
    wanted = list(settings.models or known)
    missing = [name for name in wanted if name not in known]
    if missing:
        raise InputError("evaluation.models", f"no encoder of {missing[0]}", f"some of {', '.join(known)}")
    return wanted


def _one_model(
    stored: Sequence[Stored],
    settings: EvaluationSettings,
    images: TargetedImages | None,
    folder: Path,
    *,
    record: Record,
    progress: Progress,
) -> tuple[ModelPerformance | None, dict[str, Any]]:
    performance: ModelPerformance | None = None
    data: dict[str, Any] = {}
    measured = [encoder for encoder in stored if encoder.metrics.get("heldout_r_voxels")]
    if measured:
        performance, data = summarise_performance(
            measured, settings, folder, record, Part(progress, 0.0, 0.4)
        )
        data |= _compared(
            performance, measured, settings, images, record=record, progress=Part(progress, 0.4, 0.7)
        )
    else:
        record.skip("performance", "these encoders were never evaluated on held-out BOLD")
    if images is not None and settings.stimuli is not None:
        data["stimuli"] = evaluate_images(
            images,
            stored,
            settings.stimuli,
            seed=settings.seed,
            record=record,
            progress=Part(progress, 0.7, 1.0),
        )
    return performance, data


def _compared(
    performance: ModelPerformance,
    stored: Sequence[Stored],
    settings: EvaluationSettings,
    images: TargetedImages | None,
    *,
    record: Record,
    progress: Progress,
) -> dict[str, Any]:
    """Compare regions: subregions, controls and random regions."""
    names = subregion_names(settings, performance.table.regions)
    comparisons: dict[str, Any] = {
        "whole": settings.whole,
        "controls": compare_with_controls(performance, settings.controls),
        "subregions": None,
        "random_regions": None,
    }
    if names:
        comparisons["subregions"] = record.attempt(
            "mixed model of subregions", lambda: compare_subregions(performance, names, settings)
        )
    else:
        record.skip("mixed model of subregions", "evaluation.subregions names none")
    wanted = settings.random_regions
    if wanted is None:
        record.skip("random regions", "evaluation.random_regions is not given")
    else:
        features = None if images is None else images.features
        comparisons["random_regions"] = record.attempt(
            "random regions",
            lambda: random_regions(
                performance,
                stored,
                wanted,
                subregions=names,
                features=features,
                seed=settings.seed,
                progress=progress,
            ),
        )
    return comparisons


def _provenance(stored: Sequence[Stored]) -> dict[str, Any]:
    names = ("numpy", "scipy", "nibabel")
    return {
        "artifacts": sorted(encoder.digest for encoder in stored),
        "software": {"almond": __version__, **{name: version(name) for name in names}},
    }
