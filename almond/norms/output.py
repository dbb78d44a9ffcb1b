"""The folder of a validation: tables, maps, pages; it appears whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from almond.encoding.bold.nifti import Grid, write_map
from almond.naming import slug
from almond.norms.analyses import Analysed
from almond.norms.figures import draw_validation
from almond.norms.images import NormedSet
from almond.norms.predictions import Predictions, VoxelEffects
from almond.norms.sections import validation_document
from almond.norms.voxelwise import FDR, VoxelMap, passing
from almond.report.write import report_folder, write_pages
from almond.stimuli.nuisance import NUISANCE

KIND = "almond-validation"


@dataclass(frozen=True, eq=False)
class Results:
    """Everything computed; ``data`` is what result.json holds."""

    data: dict[str, Any]
    sets: Sequence[NormedSet]
    predictions: Predictions
    analysed: Analysed
    effects: Mapping[str, VoxelEffects]
    maps: Mapping[str, Sequence[VoxelMap]]


def write_results(results: Results, out: Path) -> None:
    """Write every file beside the final place, then move the folder there; an earlier one goes."""
    with report_folder(out, KIND) as folder:
        (folder / "tables").mkdir()
        for name, table in _tables(results).items():
            table.to_csv(folder / "tables" / f"{name}.csv", index=False, lineterminator="\n")
        for name, values, region in _volumes(results):
            effects = results.effects[region]
            if effects.grid is not None:
                path = folder / "maps" / f"{name}.nii.gz"
                write_map(path, values, effects.voxels, Grid.from_json(effects.grid))
        figures = draw_validation(
            results.data, results.sets, results.analysed, effects=results.effects, maps=results.maps
        )
        write_pages(folder, validation_document(results.data), figures, results.data)


def _tables(results: Results) -> dict[str, pd.DataFrame]:
    """Make long tables of predictions, images with ratings and features, coefficients and deciles."""
    return {
        "predictions": _predictions(results),
        "images": pd.concat([_images(images) for images in results.sets], ignore_index=True),
        "coefficients": _coefficients(results),
        "deciles": _deciles(results),
    }


def _predictions(results: Results) -> pd.DataFrame:
    predictions = results.predictions
    parts = []
    for images in results.sets:
        for region in predictions.regions:
            for index, subject in enumerate(predictions.subjects):
                part = pd.DataFrame(
                    {"set": images.name, "image": images.images, "subject": subject, "region": region}
                )
                part["prediction"] = predictions.own[images.name][region][index]
                part["prediction_by_others"] = predictions.others[images.name][region][index]
                parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _images(images: NormedSet) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "set": images.name,
            "image": images.images,
            "theme": images.themes,
            "valence": images.valence,
            "arousal": images.arousal,
            "z_valence": images.z_valence,
            "z_arousal": images.z_arousal,
        }
    )
    for column, name in enumerate(NUISANCE[: images.low_level.shape[1]]):
        table[name] = images.low_level[:, column]
    return table


def _coefficients(results: Results) -> pd.DataFrame:
    rows = [
        (region, part, name, subject, term, float(values[index, column]))
        for (region, part), result in results.analysed.regressions.items()
        for name, values in result.by_set.items()
        for index, subject in enumerate(results.predictions.subjects)
        for column, term in enumerate(result.names)
    ]
    return pd.DataFrame(rows, columns=["region", "part", "set", "subject", "term", "coefficient"])


def _deciles(results: Results) -> pd.DataFrame:
    rows = [
        (name, region, rating, subject, group + 1, float(table[index, group]))
        for (name, region, rating), table in results.analysed.decile_means.items()
        for index, subject in enumerate(results.predictions.subjects)
        for group in range(table.shape[1])
    ]
    return pd.DataFrame(rows, columns=["set", "region", "rating", "subject", "decile", "mean"])


def _volumes(results: Results) -> Iterator[tuple[str, Any, str]]:
    """Give (file name, values (V,), region) of every map: r, t, and t where a threshold is passed."""
    alpha = results.data["settings"]["alpha"]
    for region, tests in results.maps.items():
        for test in tests:
            stem = f"{slug(region)}_{test.regressor}"
            yield f"{stem}_r", test.mean_r, region
            yield f"{stem}_t", test.t, region
            yield f"{stem}_t_uncorrected", passing(test.t, test.p, alpha), region
            yield f"{stem}_t_fdr", passing(test.t, test.q, FDR), region
            if test.p_images is not None:
                yield f"{stem}_t_images", passing(test.t, test.p_images, 0.05), region
