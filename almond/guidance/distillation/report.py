"""What a slider kept of guidance, as read by a judge that guided nothing, on prompts not trained on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from almond.guidance.backends.base import Generator
from almond.guidance.distillation.slider import SliderGenerator
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer, generate

DIALS = (-1.0, -0.5, 0.5, 1.0)


@dataclass(frozen=True)
class Pictures:
    """Pictures (n, H, W, 3) of one setting in the order of the scenes, and CPU seconds for each."""

    images: NDArray[np.uint8]
    seconds: float


@dataclass(frozen=True)
class Course:
    """How one target's pictures differ from the unguided ones of the same scenes, at one dial.

    ``shift`` is the judged score of the target minus that of the unguided picture, ``off_target`` the mean
    absolute shift of the other targets (both in SD, means over scenes), ``own`` the shift of the guiding
    score, ``change`` the RMS difference of the pictures (of 1).
    """

    target: str
    dial: float
    shift: float
    off_target: float
    own: float
    change: float


class Referee:
    """Draws scenes unguided, guided and by the slider, and has them judged.

    :param common: fields that every recipe shares, without prompt and seed.
    :param judge: held out; its names are those of the targets, in any order.
    """

    def __init__(
        self,
        scenes: Sequence[tuple[str, int]],
        common: Mapping[str, Any],
        *,
        scorer: DifferentiableScorer,
        judge: DifferentiableScorer,
    ) -> None:
        self.scenes, self.common, self.scorer, self.judge = scenes, common, scorer, judge

    def draw(self, generator: Generator, **guidance: Any) -> Pictures:
        """Draw every scene once."""
        recipes = [
            Recipe(
                **{**self.common, **guidance},
                prompt=prompt,
                seed=seed,
                generator=generator.name,
                generator_digest=generator.digest,
            )
            for prompt, seed in self.scenes
        ]
        began = time.process_time()
        images = [made.image for made in generate(recipes, generator=generator, scorer=self.scorer)]
        return Pictures(np.stack(images), (time.process_time() - began) / len(images))

    def course(self, target: str, dial: float, pictures: Pictures, base: Pictures) -> Course:
        """Compare pictures with the unguided ones."""
        judged = self._read(self.judge, pictures) - self._read(self.judge, base)
        own = self._read(self.scorer, pictures) - self._read(self.scorer, base)
        at = list(self.judge.names).index(target)
        others = np.abs(np.delete(judged.mean(0), at))
        change = (pictures.images.astype(float) - base.images.astype(float)) / 255.0
        return Course(
            target,
            dial,
            shift=float(judged[:, at].mean()),
            off_target=float(others.mean()) if len(others) else 0.0,
            own=float(own[:, list(self.scorer.names).index(target)].mean()),
            change=float(np.sqrt(np.square(change).mean())),
        )

    def _read(self, reader: DifferentiableScorer, pictures: Pictures) -> NDArray[np.float64]:
        images = torch.from_numpy(pictures.images).permute(0, 3, 1, 2).float() / 255.0
        with torch.no_grad():
            return reader(images).double().numpy()


def slider_report(
    slider: SliderGenerator,
    referee: Referee,
    objectives: Mapping[str, Mapping[str, float]],
    *,
    strength: float,
) -> dict[str, Any]:
    """Compare the slider over its dial with guidance at the largest strength, both against no guidance.

    ``shift_kept`` is the judged range from dial -1 to 1 over that of guidance, mean over targets whose
    guidance moved the judge; ``speedup`` the CPU time of a guided picture over the slider's.
    """
    base = referee.draw(slider.base)
    window = (slider.window.low, slider.window.high)
    guided: list[Course] = []
    dialled: list[Course] = []
    seconds: dict[str, list[float]] = {"guided": [], "slider": []}
    for target, objective in objectives.items():
        for direction in (-1, 1):
            pictures = referee.draw(
                slider.base, objective=dict(objective), direction=direction, strength=strength, window=window
            )
            guided.append(referee.course(target, float(direction), pictures, base))
            seconds["guided"].append(pictures.seconds)
        for dial in DIALS:
            slider.turn({target: dial})
            pictures = referee.draw(slider)
            dialled.append(referee.course(target, dial, pictures, base))
            seconds["slider"].append(pictures.seconds)
    slider.turn({})
    spent = {"unguided": base.seconds, **{name: float(np.mean(values)) for name, values in seconds.items()}}
    return {
        "scenes": len(referee.scenes),
        "strength": strength,
        "guided": [vars(course) for course in guided],
        "slider": [vars(course) for course in dialled],
        "shift_kept": shift_kept(guided, dialled),
        "cpu_seconds_per_picture": spent,
        "speedup": spent["guided"] / spent["slider"],
    }


def shift_kept(guided: Sequence[Course], dialled: Sequence[Course]) -> dict[str, float]:
    """Return the slider's judged range over guidance's, by target.

    Read a share beside the ranges: where guidance itself hardly moved the judge, a ratio says nothing.
    """
    whole, kept = _ranges(guided), _ranges(dialled)
    return {target: kept[target] / whole[target] if whole[target] else float("nan") for target in whole}


def _ranges(courses: Sequence[Course]) -> dict[str, float]:
    ends = {(course.target, course.dial): course.shift for course in courses}
    return {target: ends[target, 1.0] - ends[target, -1.0] for target, dial in ends if dial == 1.0}
