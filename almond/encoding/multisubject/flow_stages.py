"""Training both stages on given rows of every subject.

The second stage must learn residuals such as new stimuli will leave, and the anchor fits the rows that it was
trained on too well. So the anchor is trained once per inner block without that block, and its misses there
are what the second stage learns from. These trainings also say how many epochs are enough; the anchor that is
kept is then trained on all rows for so many. The last inner block judges the second stage and its spread.
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
    Watched,
    Window,
    expected_response,
    lay,
    train_anchor,
)
from almond.encoding.multisubject.flow_matching import Residuals, integrate, train_velocity
from almond.encoding.multisubject.flow_model import FlowModel, Voice
from almond.encoding.multisubject.flow_training import Checkpoint, Plan, torch_generator
from almond.encoding.multisubject.interface import SubjectArrays
from almond.encoding.multisubject.spread import Spread, find_spread, leading_directions
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
class Setting:
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

    window: Window
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

    def watched(self, parts: Sequence[tuple[Tensor, Tensor]]) -> list[Watched]:
        return [
            Watched(film, responses, train, held)
            for film, responses, (train, held) in zip(self.film_of, self.responses, parts, strict=True)
        ]


def train_stages(
    subjects: Sequence[SubjectArrays], rows: Sequence[Rows], setting: Setting, progress: Progress
) -> FlowModel:
    """A model from these training rows of each subject."""
    data = _prepare(subjects, rows, setting)
    kept, residuals, contexts = _anchors(data, setting, Part(progress, 0.0, 0.6))
    anchor, context, offset = kept
    parts = [blocks[-1] for blocks in data.inner]
    voices, learned = [], []
    for one in range(len(subjects)):
        train, held = parts[one]
        spread = find_spread(residuals[one], train, held)
        basis = leading_directions(residuals[one][train], spread, REFINED)
        white = spread.whitened(residuals[one])
        learned.append(Residuals(white, contexts[one], basis, train, held))
        voices.append(Voice(data.means[one], data.scales[one], spread))
    settings = setting.settings
    velocity, _ = train_velocity(
        learned,
        Plan(settings.flow_epochs, settings.patience, settings.flow_lr),
        hidden=settings.hidden,
        batch=settings.batch,
        seed=settings.seed,
        checkpoint=setting.checkpoint("velocity"),
        progress=Part(progress, 0.6, 1.0),
    )
    model = FlowModel(
        tuple(one.subject for one in subjects),
        data.window,
        data.feature_mean,
        data.feature_scale,
        anchor,
        context,
        offset,
        velocity,
        tuple(voices),
        settings.samples,
        settings.steps,
        settings.seed,
    )
    return _tempered(model, learned)


def train_first_stage(
    subjects: Sequence[SubjectArrays], rows: Sequence[Rows], setting: Setting, progress: Progress
) -> list[NDArray[np.float64]]:
    """The anchor alone, for controls: predictions (n, V) of every volume of each subject."""
    data = _prepare(subjects, rows, setting)
    anchor = _anchors(data, setting, progress)[0][0]
    with torch.no_grad():
        courses = [anchor.courses(film) for film in data.films]
        return [
            np.asarray(anchor.read(courses[film], one).cpu().numpy(), np.float64)
            for one, film in enumerate(data.film_of)
        ]


def _prepare(subjects: Sequence[SubjectArrays], rows: Sequence[Rows], setting: Setting) -> _Data:
    tr, settings, device = subjects[0].tr, setting.settings, setting.device
    window = Window.of(settings.kernel, settings.lead, tr)
    pairs = list(zip(subjects, rows, strict=True))
    mean, scale = _feature_scale(pairs)
    films: dict[str, int] = {}
    laid: list[Film] = []
    film_of = []
    for one in subjects:
        key = f"{digest_array(one.x)} {one.lengths}"
        if key not in films:
            films[key] = len(laid)
            laid.append(lay(_tensor((one.x - mean) / scale, device), one.lengths, window))
        film_of.append(films[key])
    means = [one.bold[chosen].mean(axis=0) for one, chosen in pairs]
    spreads = [one.bold[chosen].std(axis=0) for one, chosen in pairs]
    scales = [np.where(spread > 0, spread, 1.0) for spread in spreads]
    return _Data(
        window=window,
        expected=expected_response(window, None if setting.convolved else spm_hrf(tr)).to(device),
        feature_mean=_tensor(mean, device),
        feature_scale=_tensor(np.array(scale), device),
        films=laid,
        film_of=film_of,
        responses=[
            _tensor((one.bold - m) / s, device) for one, m, s in zip(subjects, means, scales, strict=True)
        ],
        means=[_tensor(m, device) for m in means],
        scales=[_tensor(s, device) for s in scales],
        rows=[torch.tensor(chosen, device=device) for chosen in rows],
        inner=[_inner(one, chosen, setting) for one, chosen in pairs],
    )


def _feature_scale(pairs: Sequence[tuple[SubjectArrays, Rows]]) -> tuple[Floats, float]:
    """Mean (D,) and one spread for all features, so that they keep their sizes relative to each other."""
    count = sum(len(chosen) for _, chosen in pairs)
    mean = np.sum([one.x[chosen].sum(axis=0) for one, chosen in pairs], axis=0) / count
    squares = sum(float(((one.x[chosen] - mean) ** 2).sum()) for one, chosen in pairs)
    return np.asarray(mean, np.float64), float(np.sqrt(squares / count / len(mean))) or 1.0


def _inner(one: SubjectArrays, chosen: Rows, setting: Setting) -> list[tuple[Tensor, Tensor]]:
    everything = Fold(chosen, chosen[:0])
    blocks = inner_folds(everything, one.lengths, n_folds=INNER_FOLDS, gap=setting.gap, tr=one.tr)
    if len(blocks) < INNER_FOLDS:
        raise InputError(
            f"sub-{one.subject}",
            f"has {len(chosen)} volumes to train on, too few for {INNER_FOLDS} inner blocks",
            "longer runs or a shorter gap",
        )
    return [
        (
            torch.tensor(chosen[block.train], device=setting.device),
            torch.tensor(chosen[block.test], device=setting.device),
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
        """(H, C) and (C,): from an anchor's time courses to the context."""
        readouts, biases = torch.cat(list(anchor.readouts)), torch.cat(list(anchor.biases))
        return (readouts.T @ self.mixture) / self.scale, (biases @ self.mixture) / self.scale


def _anchors(
    data: _Data, setting: Setting, progress: Progress
) -> tuple[tuple[Anchor, Tensor, Tensor], list[Tensor], list[Tensor]]:
    """The anchor that is kept with its context, and from the inner blocks, per subject: residuals and
    contexts (zero in rows outside training)."""
    count = INNER_FOLDS
    inner, epochs = [], []
    for number in range(count):
        parts = [blocks[number] for blocks in data.inner]
        part = Part(progress, number / (count + 1), (number + 1) / (count + 1))
        anchor, best = _anchor(data, setting, parts, None, f"anchor-{number + 1}", part)
        inner.append(anchor)
        epochs.append(best)
    whole = [(rows, rows[:0]) for rows in data.rows]
    length = max(1, int(np.median(epochs)))
    anchor, _ = _anchor(data, setting, whole, length, "anchor", Part(progress, count / (count + 1), 1.0))
    with torch.no_grad():
        context = _find_context(anchor, data)
        return (anchor, *context.of(anchor)), *_heldout(data, inner, context)


def _anchor(
    data: _Data,
    setting: Setting,
    parts: Sequence[tuple[Tensor, Tensor]],
    epochs: int | None,
    name: str,
    progress: Progress,
) -> tuple[Anchor, int]:
    settings = setting.settings
    anchor, course = train_anchor(
        data.films,
        data.watched(parts),
        Plan(epochs or settings.epochs, settings.patience, settings.lr),
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
    left = torch.linalg.svd(torch.cat(list(anchor.readouts)), full_matrices=False)[0][:, :CONTEXT]
    raw = _Context(left, torch.ones((), device=left.device))
    matrix, offset = raw.of(anchor)
    films = [anchor.courses(film) @ matrix + offset for film in data.films]
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
        for one, film in enumerate(data.film_of):
            held = data.inner[one][number][1]
            predicted = anchor.read(courses[film][held], one)
            residuals[one][held] = data.responses[one][held] - predicted
            contexts[one][held] = courses[film][held] @ matrix + offset
    return residuals, contexts


@torch.no_grad()
def _tempered(model: FlowModel, learned: Sequence[Residuals]) -> FlowModel:
    """Widen the noise so that samples spread on the judging block as the residuals there do."""
    voices = []
    for number, (voice, one) in enumerate(zip(model.voices, learned, strict=True)):
        rng = torch_generator(model.seed, "temperature", model.subjects[number])
        context = one.context[one.held]
        drawn = []
        for _ in range(TEMPERATURE_SAMPLES):
            noise = torch.randn(one.values[one.held].shape, generator=rng).to(context.device)
            drawn.append(
                _relative(voice.spread, integrate(model.velocity, number, noise, context, model.steps))
            )
        samples = torch.stack(drawn)
        missed = _relative(voice.spread, one.values[one.held]) - samples.mean(dim=0)
        # The mean of n samples is off by the variance over n, which is no fault of the spread.
        ratio = missed.square().mean() / (samples.var(dim=0).mean() * (1 + 1 / TEMPERATURE_SAMPLES))
        voices.append(replace(voice, temperature=float(ratio.sqrt())))
    return replace(model, voices=tuple(voices))


def _relative(spread: Spread, white: Tensor) -> Tensor:
    """Whitened residuals as shares of each voxel's spread."""
    return spread.coloured(white) / spread.deviation
