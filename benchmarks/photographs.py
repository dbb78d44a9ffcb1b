"""What networks know of published ratings of photographs: ``python -m benchmarks.photographs IMAGES NORMS``.

For each feature space the ratings are predicted by ridge regression, whole themes held out (ten folds), the
penalty chosen inside the other folds by the same rule (scikit-learn); ``r`` is the correlation of predicted
and published ratings over all images. ``permuted_95`` is what 95 percent of ratings that were permuted as
whole themes stay below: with as few images as a lab has, chance is far from zero.

``--json`` prints one object: space -> rating -> ``r``, ``permuted_95``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from almond.encoding.config.features import FeatureSpec
from almond.encoding.features.networks.efficientnet_lite import FEATURES
from almond.encoding.features.open import open_space
from almond.pictures.files import image_files
from almond.pictures.reading import read_image
from almond.progress import Silent
from almond.shapes import read
from almond.stats.permutation import theme_orders
from almond.stimuli.lowlevel import measure as measure_lowlevel
from almond.stimuli.norms import RATINGS, read_norms
from almond.targets.image_features import features_of_files

LAYERS: dict[str, dict[str, Any]] = {
    "EfficientNet-lite0, penultimate": FEATURES,
    "EfficientNet-lite0, block 10": {**FEATURES, "layer": "_blocks.10", "pool": "mean"},
    "EfficientNet-lite0, block 13": {**FEATURES, "layer": "_blocks.13", "pool": "mean"},
    "the network that comes with Almond": {"kind": "world"},
}
FOLDS, PENALTIES = 10, np.logspace(0, 6, 13)


def features_of(images: list[Path]) -> dict[str, np.ndarray[Any, Any]]:
    """Compute every space's features (n, D), and the eight low-level ones."""
    with tempfile.TemporaryDirectory() as cache:
        spaces = {
            name: features_of_files(
                [open_space(read(FeatureSpec, settings, source="features"))], images, Path(cache), Silent()
            )
            for name, settings in LAYERS.items()
        }
    low = [list(measure_lowlevel(read_image(path)).values()) for path in images]
    return {**spaces, "eight low-level features": np.array(low)}


def held_out(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], themes: np.ndarray[Any, Any]) -> float:
    """Correlate ratings (n,) with those predicted from features (n, D), whole themes held out."""
    predicted = np.empty(len(y))
    for train, test in GroupKFold(FOLDS).split(x, y, themes):
        model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
        predicted[test] = model.fit(x[train], y[train]).predict(x[test])
    return float(np.corrcoef(predicted, y)[0, 1])


def measure(images: Path, norms_file: Path, theme: str, permutations: int) -> dict[str, Any]:
    """Return space -> rating -> its correlation, and that of permuted ratings."""
    paths = image_files(images)
    norms = read_norms(norms_file, [path.name for path in paths], theme=theme)
    themes = np.asarray(norms.themes)
    orders = theme_orders(themes, permutations, np.random.default_rng(1))
    rows: dict[str, Any] = {}
    for space, x in features_of(paths).items():
        rows[space] = {}
        for rating in RATINGS:
            y = getattr(norms, rating)
            permuted = [held_out(x, y[order], themes) for order in orders] if permutations else []
            rows[space][rating] = {
                "r": held_out(x, y, themes),
                "permuted_95": float(np.quantile(permuted, 0.95)) if permuted else None,
            }
            print(space, rating, rows[space][rating], file=sys.stderr)
    return {"images": len(paths), "themes": len(set(norms.themes)), "spaces": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path, metavar="IMAGES", help="folder of photographs, such as OASIS")
    parser.add_argument("norms", type=Path, metavar="NORMS", help="table of their valence and arousal")
    parser.add_argument("--theme", default="Theme", help="column that says what several images share")
    parser.add_argument("--permutations", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.images, arguments.norms, arguments.theme, arguments.permutations)
    print(json.dumps(figures) if arguments.json else table_of(figures))
    return 0


def table_of(figures: Mapping[str, Any]) -> str:
    lines = [f"{figures['images']} images of {figures['themes']} themes"]
    for space, ratings in figures["spaces"].items():
        parts = [f"{name} r = {row['r']:.2f}" for name, row in ratings.items()]
        lines.append(f"{space:36} {', '.join(parts)}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
