"""``python -m almond predict CONFIG``: responses of fitted regions to images that nobody was scanned with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from almond.digest import printed_json
from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.artifacts.catalogue import collect
from almond.encoding.config.fit_config import FitConfig, load_config
from almond.encoding.config.prediction import PredictionSettings
from almond.encoding.features.open import open_space
from almond.encoding.features.tables import load_table
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.pictures.files import image_files
from almond.progress import Console, Part, Progress
from almond.targets.image_features import features_of_files
from almond.targets.prediction import predict_table


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="the YAML file of the fit, see docs/fit.md"
    )
    parser.add_argument("--images", type=Path, help="folder of images (overrides prediction.images)")
    parser.add_argument("--out", type=Path, help="CSV file to write (overrides prediction.out)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Predict, write the CSV and print a summary; returns 0."""
    config = load_config(arguments.config)
    settings = config.prediction or PredictionSettings.model_construct()
    if arguments.images is not None:
        settings = settings.model_copy(update={"images": arguments.images.resolve(), "table": None})
    out = arguments.out or settings.out or config.output / "predictions.csv"
    table = _predict_images(config, settings, progress=Console())
    write_atomically(out, table.to_csv(index=False).encode())
    print(printed_json(predictions_json(table, out)) if arguments.json else predictions_text(table, out))
    return 0


def _predict_images(config: FitConfig, settings: PredictionSettings, *, progress: Progress) -> pd.DataFrame:
    """Make the table of :func:`predict_table` for the configuration's encoders and the section's images."""
    artifacts = [stored.load() for stored in collect(config)]
    names, features = _features(config, settings, artifacts, Part(progress, 0.0, 0.9))
    table = predict_table(artifacts, names, features, leave_one_out=settings.leave_one_out)
    progress.report(1.0, f"{len(names)} images, {len(artifacts)} encoders")
    return table


def _features(
    config: FitConfig, settings: PredictionSettings, artifacts: Sequence[EncoderArtifact], progress: Progress
) -> tuple[list[str], NDArray[np.floating]]:
    if settings.table is not None:
        table = load_table(settings.table)
        names = table.keys or tuple(f"row {number + 1}" for number in range(len(table.values)))
        return list(names), table.values
    if settings.images is None:
        raise InputError(
            "prediction", "says nothing to predict", "images: a folder, or table: a file of features"
        )
    return _of_images(config, settings.images, artifacts, progress)


def _of_images(
    config: FitConfig, folder: Path, artifacts: Sequence[EncoderArtifact], progress: Progress
) -> tuple[list[str], NDArray[np.floating]]:
    paths = image_files(folder)
    spaces = [open_space(spec, device=config.device) for spec in config.spaces.values()]
    if len(spaces) == 1:
        _check_feature_space(spaces[0].digest, spaces[0].name, artifacts)
    features = features_of_files(spaces, paths, config.output / "features", progress)
    return [path.name for path in paths], features


def _check_feature_space(digest: str, name: str, artifacts: Sequence[EncoderArtifact]) -> None:
    """Check that the encoders were fitted on this very feature space.

    :raises InputError: naming both.
    """
    for artifact in artifacts:
        card = artifact.feature_space
        if card.digest != digest:
            raise InputError(
                f"encoder {artifact.digest[:12]}…",
                f"was fitted on {card.name} ({card.digest[:12]}…)",
                f"the feature space {name} ({digest[:12]}…)",
            )


def predictions_json(table: pd.DataFrame, out: Path) -> dict[str, object]:
    groups = table.groupby(["model", "region"], sort=False)["score"]
    return {
        "file": str(out),
        "images": int(table["image"].nunique()),
        "subjects": sorted(table["subject"].unique().tolist()),
        "scores": [
            {"model": key[0], "region": key[1], "mean": float(values.mean()), "sd": float(values.std())}
            for key, values in groups
            if isinstance(key, tuple)
        ],
    }


def predictions_text(table: pd.DataFrame, out: Path) -> str:
    wide = table.pivot_table(index="image", columns="region", values="score_z", sort=False)
    lines = [
        f"{table['image'].nunique()} images, {table['subject'].nunique()} subjects; all rows in {out}",
        "mean over subjects of the standardised score, the highest of each region:",
    ]
    for region in wide:
        best = wide[region].nlargest(3)
        lines.append(f"  {region:<8} " + ", ".join(f"{name} {value:+.2f}" for name, value in best.items()))
    return "\n".join(lines)
