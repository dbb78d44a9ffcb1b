"""The two stages together: predicted means and samples of any trained subject's response to features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from almond.encoding.multisubject.flow_anchor import Anchor, Film, KernelWindow, pad_runs
from almond.encoding.multisubject.flow_matching import Velocity, integrate
from almond.encoding.multisubject.flow_training import torch_generator
from almond.encoding.multisubject.residual_covariance import ResidualCovariance
from almond.errors import InputError
from almond.typing import Floats

ROWS_AT_ONCE = 8192
"""Volumes times samples that are integrated together: bounds the memory."""


@dataclass(frozen=True)
class SubjectParameters:
    """What is a subject's own beside the networks: BOLD ``mean`` and ``scale`` (V,), the covariance of the
    residuals, and the ``temperature`` by which noise is widened so that samples vary as held-out residuals
    did (Euler steps narrow them by some per cent)."""

    mean: Tensor
    scale: Tensor
    covariance: ResidualCovariance
    temperature: float = 1.0


@dataclass(frozen=True)
class FlowModel:
    """A trained model. ``feature_mean`` (D,) and ``feature_scale`` () standardise features; ``context``
    (H, C) and ``offset`` (C,) turn the anchor's time courses into the stimulus context."""

    subjects: tuple[str, ...]
    window: KernelWindow
    feature_mean: Tensor
    feature_scale: Tensor
    anchor: Anchor
    context: Tensor
    offset: Tensor
    velocity: Velocity
    parameters: tuple[SubjectParameters, ...]
    samples: int
    steps: int
    seed: int

    def predict(
        self, features: NDArray[np.floating], subject: str, lengths: Sequence[int] | None = None
    ) -> Floats:
        """Predict the mean response (n, V), in the units of the BOLD.

        :param features: (n, D), one row per volume.
        :param subject: one of the trained subjects.
        :param lengths: volumes of each run, which do not see each other (default: one run).

        The anchor's prediction plus
        the mean of ``samples`` residuals, drawn in pairs of opposite noise: what of them is linear in the
        noise cancels. Always the same for the same features.
        """
        number = self._number(subject)
        anchor, context = self._stage_one(features, number, lengths)
        half = self.samples // 2
        rng = torch_generator(self.seed, "mean", subject)
        total = torch.zeros_like(anchor)
        for _ in range(half):
            noise = torch.randn(anchor.shape, generator=rng).to(anchor.device)
            # Antithetic pair x0, -x0: terms linear in the noise cancel in the mean.
            total += self._residuals(number, noise, context, self.steps)
            total += self._residuals(number, -noise, context, self.steps)
        return self._in_units(number, anchor + total / (2 * half))

    def predict_anchor(
        self, features: NDArray[np.floating], subject: str, lengths: Sequence[int] | None = None
    ) -> Floats:
        """Predict (n, V) by the first stage alone, which is linear in the features."""
        number = self._number(subject)
        return self._in_units(number, self._stage_one(features, number, lengths)[0])

    def sample(
        self,
        features: NDArray[np.floating],
        subject: str,
        n: int,
        *,
        steps: int | None = None,
        seed: int = 0,
        lengths: Sequence[int] | None = None,
        rows: NDArray[np.int64] | None = None,
    ) -> Floats:
        """Draw ``n`` possible responses (n, T, V) to features (T, D).

        :param steps: Euler steps of the integration (default: the model's).
        :param seed: equal seeds give equal samples.
        :param lengths: volumes of each run (default: one run).
        :param rows: the volumes to sample (default: all).

        Voxels fluctuate together as they do in the data; volumes are drawn independently of each other given
        the features.

        :raises InputError: an unknown subject, features of another dimension, or no sample asked for.
        """
        if n < 1 or (steps is not None and steps < 1):
            raise InputError("n", f"is {n} samples in {steps} steps", "1 or more of both")
        number = self._number(subject)
        anchor, context = self._stage_one(features, number, lengths)
        if rows is not None:
            anchor, context = anchor[rows], context[rows]
        rng = torch_generator(seed, "sample", subject)
        samples = np.empty((n, *anchor.shape), np.float64)
        for index in range(n):
            noise = torch.randn(anchor.shape, generator=rng).to(anchor.device)
            residuals = self._residuals(number, noise, context, steps or self.steps)
            samples[index] = self._in_units(number, anchor + residuals)
        return samples

    def _number(self, subject: str) -> int:
        if subject not in self.subjects:
            raise InputError("subject", f"{subject} was not trained", f"one of {', '.join(self.subjects)}")
        return self.subjects.index(subject)

    @torch.no_grad()
    def _stage_one(
        self, features: NDArray[np.floating], number: int, lengths: Sequence[int] | None
    ) -> tuple[Tensor, Tensor]:
        film = self.film(features, lengths or [len(features)])
        courses = self.anchor.courses(film)
        # y = U z + b, and the context z C + c.
        return self.anchor.read(courses, number), courses @ self.context + self.offset

    def film(self, features: NDArray[np.floating], lengths: Sequence[int]) -> Film:
        if features.ndim != 2 or features.shape[1] != len(self.feature_mean):
            raise InputError(
                "features", f"have the shape {features.shape}", f"(volumes, {len(self.feature_mean)})"
            )
        if sum(lengths) != len(features):
            raise InputError("lengths", f"sum to {sum(lengths)}", f"{len(features)}, the rows of features")
        values = torch.tensor(features, dtype=torch.float32, device=self.feature_mean.device)
        return pad_runs((values - self.feature_mean) / self.feature_scale, lengths, self.window)

    def _residuals(self, number: int, noise: Tensor, context: Tensor, steps: int) -> Tensor:
        """Integrate standard normal noise (T, V) to residuals in units of the standardised BOLD."""
        own = self.parameters[number]
        pieces = [
            integrate(self.velocity, number, own.temperature * white, about, steps)
            for white, about in zip(
                *(torch.split(part, ROWS_AT_ONCE) for part in (noise, context)), strict=True
            )
        ]
        # Residuals of the subject's covariance from whitened ones.
        return own.covariance.coloured(torch.cat(pieces))

    def _in_units(self, number: int, standardised: Tensor) -> Floats:
        own = self.parameters[number]
        return np.asarray((standardised * own.scale + own.mean).cpu().numpy(), np.float64)
