"""Training both stages on given rows of every subject.

The second stage must learn residuals such as new stimuli will leave, and the anchor fits the rows that it was
trained on too well. So the anchor is trained once per inner block without that block, and its misses there
are what the second stage learns from. These trainings also say how many epochs are enough; the final anchor
is then trained on all rows for so many. The last inner block validates the second stage and its covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from almond.digest import digest_array
from almond.encoding.config.multisubject import FlowSettings
from almond.encoding.hemodynamics.hrf import spm_hrf
from almond.encoding.models.folds import Fold, inner_folds
from almond.encoding.multisubject.flow_anchor import (
    Anchor,
    Film,
    KernelWindow,
    SubjectResponses,
    expected_response,
    pad_runs,
    train_anchor,
)
from almond.encoding.multisubject.flow_matching import Residuals, integrate, train_velocity
from almond.encoding.multisubject.flow_model import FlowModel, SubjectParameters
from almond.encoding.multisubject.flow_training import Checkpoint, TrainingSchedule, torch_generator
from almond.encoding.multisubject.residual_covariance import (
    ResidualCovariance,
    choose_covariance,
    leading_directions,
)
from almond.encoding.multisubject.subject_arrays import SubjectArrays
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.typing import Floats, Rows

INNER_FOLDS = 4
CONTEXT = 8
"""Time courses of the stimulus that the second stage sees: the leading ones of all subjects' predictions."""

REFINED = 8
"""Directions of a subject's residuals in which the second stage learns."""

TEMPERATURE_SAMPLES = 16


@dataclass(frozen=True)
class StageSettings:
    """What every training of a fit shares. ``convolved``: the features have a haemodynamic response already;
    ``folder`` holds the checkpoints (None: none are written)."""

    settings: FlowSettings
    gap: float
    convolved: bool
    device: str = "cpu"
    folder: Path | None = None

    def checkpoint(self, name: str) -> Checkpoint | None:
        return Checkpoint(self.folder / f"{name}.safetensors") if self.folder else None


@dataclass(frozen=True)
class _Data:
    """All subjects as tensors: the films, standardised BOLD, training rows, inner blocks per subject."""

    window: KernelWindow
    expected: Tensor
    feature_mean: Tensor
    feature_scale: Tensor
    films: list[Film]
    film_of: list[int]
    responses: list[Tensor]
    means: list[Tensor]
    scales: list[Tensor]
    rows: list[Tensor]
    inner: list[list[tuple[Tensor, Tensor]]]

    def watched(self, parts: Sequence[tuple[Tensor, Tensor]]) -> list[SubjectResponses]:
        return [
            SubjectResponses(film, responses, train, held)
            for film, responses, (train, held) in zip(self.film_of, self.responses, parts, strict=True)
        ]


def train_stages(
    subjects: Sequence[SubjectArrays], rows: Sequence[Rows], setting: StageSettings, progress: Progress
) -> FlowModel:
    """Train both stages on these rows of each subject.

    :param subjects: the prepared data; ``rows``: training rows of each.
    :param setting: what all trainings of a fit share.
    """
    data = _prepare(subjects, rows, setting)
    whole, residuals, contexts = _anchors(data, setting, Part(progress, 0.0, 0.6))
    anchor, context, offset = whole
    parts = [blocks[-1] for blocks in data.inner]
    parameters, learned = [], []
    for number, (train, held) in enumerate(parts):
        # z = C^(-1/2) (y - anchor): the second stage learns whitened residuals, in their leading directions.
        covariance = choose_covariance(residuals[number], train, held)
        basis = leading_directions(residuals[number][train], covariance, REFINED)
        white = covariance.whitened(residuals[number])
        learned.append(Residuals(white, contexts[number], basis, train, held))
        parameters.append(SubjectParameters(data.means[number], data.scales[number], covariance))
    settings = setting.settings
    velocity, _ = train_velocity(
        learned,
        TrainingSchedule(settings.flow_epochs, settings.patience, settings.flow_lr),
        hidden=settings.hidden,
        batch=settings.batch,
        seed=settings.seed,
        checkpoint=setting.checkpoint("velocity"),
        progress=Part(progress, 0.6, 1.0),
    )
    model = FlowModel(
        tuple(arrays.subject for arrays in subjects),
        data.window,
        data.feature_mean,
        data.feature_scale,
        anchor,
        context,
        offset,
        velocity,
        tuple(parameters),
        settings.samples,
        settings.steps,
        settings.seed,
    )
    return _tempered(model, learned)


def train_first_stage(
    subjects: Sequence[SubjectArrays], rows: Sequence[Rows], setting: StageSettings, progress: Progress
) -> list[NDArray[np.float64]]:
    """Train the anchor alone, for controls; predict (n, V) every volume of each subject."""
    data = _prepare(subjects, rows, setting)
    anchor = _anchors(data, setting, progress)[0][0]
    with torch.no_grad():
        courses = [anchor.courses(film) for film in data.films]
        return [
            np.asarray(anchor.read(courses[film], subject).cpu().numpy(), np.float64)
            for subject, film in enumerate(data.film_of)
        ]


def _prepare(subjects: Sequence[SubjectArrays], rows: Sequence[Rows], setting: StageSettings) -> _Data:
    tr, settings, device = subjects[0].tr, setting.settings, setting.device
    window = KernelWindow.of(settings.kernel, settings.lead, tr)
    pairs = list(zip(subjects, rows, strict=True))
    mean, scale = _feature_scale(pairs)
    films: dict[str, int] = {}
    laid: list[Film] = []
    film_of = []
    for arrays in subjects:
        key = f"{digest_array(arrays.x)} {arrays.lengths}"
        if key not in films:
            films[key] = len(laid)
            laid.append(pad_runs(_tensor((arrays.x - mean) / scale, device), arrays.lengths, window))
        film_of.append(films[key])
    # Standardised BOLD (y - m) / s with mean and standard deviation of the training rows.
    means = [arrays.bold[training].mean(axis=0) for arrays, training in pairs]
    spreads = [arrays.bold[training].std(axis=0) for arrays, training in pairs]
    scales = [np.where(spread > 0, spread, 1.0) for spread in spreads]
    return _Data(
        window=window,
        expected=expected_response(window, None if setting.convolved else spm_hrf(tr)).to(device),
        feature_mean=_tensor(mean, device),
        feature_scale=_tensor(np.array(scale), device),
        films=laid,
        film_of=film_of,
        responses=[
            _tensor((arrays.bold - m) / s, device)
            for arrays, m, s in zip(subjects, means, scales, strict=True)
        ],
        means=[_tensor(m, device) for m in means],
        scales=[_tensor(s, device) for s in scales],
        rows=[torch.tensor(training, device=device) for training in rows],
        inner=[_inner(arrays, training, setting) for arrays, training in pairs],
    )


def _feature_scale(pairs: Sequence[tuple[SubjectArrays, Rows]]) -> tuple[Floats, float]:
    """Return the means (D,) and one standard deviation for all features, which so stay in proportion."""
    count = sum(len(training) for _, training in pairs)
    # m = sum x / N; s^2 = sum |x - m|^2 / (N D), over the training rows of all subjects.
    mean = np.sum([arrays.x[training].sum(axis=0) for arrays, training in pairs], axis=0) / count
    squares = sum(float(((arrays.x[training] - mean) ** 2).sum()) for arrays, training in pairs)
    return np.asarray(mean, np.float64), float(np.sqrt(squares / count / len(mean))) or 1.0


def _inner(arrays: SubjectArrays, training: Rows, setting: StageSettings) -> list[tuple[Tensor, Tensor]]:
    everything = Fold(training, training[:0])
    blocks = inner_folds(everything, arrays.lengths, n_folds=INNER_FOLDS, gap=setting.gap, tr=arrays.tr)
    if len(blocks) < INNER_FOLDS:
        raise InputError(
            f"sub-{arrays.subject}",
            f"has {len(training)} volumes to train on, too few for {INNER_FOLDS} inner blocks",
            "longer runs or a shorter gap",
        )
    return [
        (
            torch.tensor(training[block.train], device=setting.device),
            torch.tensor(training[block.test], device=setting.device),
        )
        for block in blocks
    ]


def _tensor(values: NDArray[np.floating], device: str) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)


@dataclass(frozen=True)
class _Context:
    """Which mixtures (sum of V, C) of all subjects' predictions are the context, and one scale () for all:
    a network learns sooner from what varies more, and here that is what brains answer to."""

    mixture: Tensor
    scale: Tensor

    def of(self, anchor: Anchor) -> tuple[Tensor, Tensor]:
        """Return (H, C) and (C,), which take an anchor's time courses to the context."""
        # c = (U z + b)'M / s = z (U'M / s) + b'M / s.
        readouts, biases = torch.cat(list(anchor.readouts)), torch.cat(list(anchor.biases))
        return (readouts.T @ self.mixture) / self.scale, (biases @ self.mixture) / self.scale


def _anchors(
    data: _Data, setting: StageSettings, progress: Progress
) -> tuple[tuple[Anchor, Tensor, Tensor], list[Tensor], list[Tensor]]:
    """Train the final anchor; return it with its context, and from the inner blocks, per subject, residuals
    and contexts (zero in rows outside training)."""
    count = INNER_FOLDS
    inner, epochs = [], []
    for number in range(count):
        parts = [blocks[number] for blocks in data.inner]
        part = Part(progress, number / (count + 1), (number + 1) / (count + 1))
        anchor, best = _anchor(data, setting, parts, name=f"anchor-{number + 1}", progress=part)
        inner.append(anchor)
        epochs.append(best)
    whole = [(rows, rows[:0]) for rows in data.rows]
    # Epochs of the final anchor: the median of the best epochs of the inner trainings.
    length = max(1, int(np.median(epochs)))
    anchor, _ = _anchor(
        data, setting, whole, name="anchor", progress=Part(progress, count / (count + 1), 1.0), epochs=length
    )
    with torch.no_grad():
        context = _find_context(anchor, data)
        return (anchor, *context.of(anchor)), *_heldout(data, inner, context)


def _anchor(
    data: _Data,
    setting: StageSettings,
    parts: Sequence[tuple[Tensor, Tensor]],
    *,
    name: str,
    progress: Progress,
    epochs: int | None = None,
) -> tuple[Anchor, int]:
    settings = setting.settings
    anchor, course = train_anchor(
        data.films,
        data.watched(parts),
        TrainingSchedule(epochs or settings.epochs, settings.patience, settings.lr),
        width=settings.width,
        decay=settings.decay,
        expected=data.expected,
        seed=settings.seed,
        checkpoint=setting.checkpoint(name),
        progress=progress,
        name=name,
    )
    return anchor, course.best_epoch


def _find_context(anchor: Anchor, data: _Data) -> _Context:
    # The leading left singular vectors of all subjects' read-outs U (sum of V, H) mix predictions to a
    # context.
    left = torch.linalg.svd(torch.cat(list(anchor.readouts)), full_matrices=False)[0][:, :CONTEXT]
    raw = _Context(left, torch.ones((), device=left.device))
    matrix, offset = raw.of(anchor)
    films = [anchor.courses(film) @ matrix + offset for film in data.films]
    # One scale for all: the largest standard deviation of a context over all subjects' training rows.
    spread = torch.cat([films[film][rows] for film, rows in zip(data.film_of, data.rows, strict=True)]).std(
        dim=0
    )
    return _Context(left, spread.max().clamp_min(1e-3))


def _heldout(data: _Data, inner: Sequence[Anchor], context: _Context) -> tuple[list[Tensor], list[Tensor]]:
    residuals = [torch.zeros_like(responses) for responses in data.responses]
    width = context.mixture.shape[1]
    contexts = [responses.new_zeros(len(responses), width) for responses in data.responses]
    for number, anchor in enumerate(inner):
        matrix, offset = context.of(anchor)
        courses = [anchor.courses(film) for film in data.films]
        for subject, film in enumerate(data.film_of):
            held = data.inner[subject][number][1]
            # What the anchor that never saw these rows misses: residual y - (U z + b), and its context.
            predicted = anchor.read(courses[film][held], subject)
            residuals[subject][held] = data.responses[subject][held] - predicted
            contexts[subject][held] = courses[film][held] @ matrix + offset
    return residuals, contexts


@torch.no_grad()
def _tempered(model: FlowModel, learned: Sequence[Residuals]) -> FlowModel:
    """Widen the noise so that samples vary on the validation block as the residuals there do."""
    widened = []
    for number, (own, residuals) in enumerate(zip(model.parameters, learned, strict=True)):
        rng = torch_generator(model.seed, "temperature", model.subjects[number])
        context = residuals.context[residuals.held]
        drawn = []
        for _ in range(TEMPERATURE_SAMPLES):
            noise = torch.randn(residuals.values[residuals.held].shape, generator=rng).to(context.device)
            drawn.append(
                _relative(own.covariance, integrate(model.velocity, number, noise, context, model.steps))
            )
        samples = torch.stack(drawn)
        missed = _relative(own.covariance, residuals.values[residuals.held]) - samples.mean(dim=0)
        # tau^2 = mean (y - mean of samples)^2 / (variance of samples (1 + 1/n)): the mean of n samples is off
        # by the variance over n, which is no fault of the covariance.
        ratio = missed.square().mean() / (samples.var(dim=0).mean() * (1 + 1 / TEMPERATURE_SAMPLES))
        widened.append(replace(own, temperature=float(ratio.sqrt())))
    return replace(model, parameters=tuple(widened))


def _relative(covariance: ResidualCovariance, white: Tensor) -> Tensor:
    """Turn whitened residuals into residuals in units of each voxel's standard deviation."""
    return covariance.coloured(white) / covariance.deviation
