"""Predicted responses of regions to images that nobody was scanned with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.errors import InputError
from almond.targets.target import raw_scores


def predict_table(
    artifacts: Sequence[EncoderArtifact],
    images: Sequence[str],
    features: NDArray[np.floating[Any]],
    *,
    leave_one_out: bool = True,
) -> pd.DataFrame:
    """Tabulate one row per image, model, subject and region, for features (n, D) of the n ``images``.

    ``score`` is features . mean beta of the region, without the intercept (Jang & Kragel 2025,
    ``predict_activations_*``), in BOLD units per feature unit; ``score_z`` the same standardised over these
    images (ddof 1; missing where it does not vary or there is one image); ``score_others``, with
    ``leave_one_out``, the score by the mean of the mean betas of all *other* subjects, missing for a lone
    subject.

    :raises InputError: no artifacts, two of one model, subject and region, or features of another shape.
    """
    values = np.asarray(features, np.float64)
    if len(values) != len(images):
        raise InputError("features", f"has {len(values)} rows for {len(images)} images", "one per image")
    betas = _mean_betas(artifacts)
    parts = []
    for (model, subject, region), beta in betas.items():
        score = raw_scores(beta, values)
        frame = pd.DataFrame({"image": list(images), "model": model, "subject": subject, "region": region})
        frame["score"] = score
        frame["score_z"] = _standardised(score)
        if leave_one_out:
            others = [
                other for key, other in betas.items() if key[::2] == (model, region) and key[1] != subject
            ]
            frame["score_others"] = raw_scores(np.mean(others, axis=0), values) if others else np.nan
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _mean_betas(
    artifacts: Sequence[EncoderArtifact],
) -> Mapping[tuple[str, str, str], NDArray[np.float64]]:
    if not artifacts:
        raise InputError("encoders", "none were given", "one or more fitted encoders")
    weights: dict[tuple[str, str, str], NDArray[np.float64]] = {}
    for artifact in artifacts:
        key = (artifact.model, artifact.subject, artifact.region)
        if key in weights:
            raise InputError("encoders", f"two are {' '.join(key)}", "one per model, subject and region")
        weights[key] = artifact.mean_weights
    return weights


def _standardised(score: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = score.std(ddof=1) if len(score) > 1 else 0.0
    if not spread > 0:
        return np.full(len(score), np.nan)
    return np.asarray((score - score.mean()) / spread, np.float64)
