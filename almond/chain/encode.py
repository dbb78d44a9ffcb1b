"""From simulated BOLD to targets: one half of the subjects guides, the other is held out as judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.chain.settings import DemoSettings
from almond.encoding.artifacts.artifact import EncoderArtifact, load_artifact
from almond.encoding.features.space import FeatureSpace
from almond.encoding.pipeline.fit import fit, parse_config
from almond.progress import Part, Progress
from almond.rng import generator
from almond.stimuli.pairing.yardsticks import JUDGE
from almond.targets.target import Target, region_target, save_target
from almond.world import lab
from almond.world.brains import simulate_dataset
from almond.world.scenes import draw_scene, render


@dataclass(frozen=True)
class Encoders:
    """What was fitted: artifacts by subject and region, and the mean held-out r of each region's voxels."""

    artifacts: dict[tuple[str, str], EncoderArtifact]
    heldout_r: dict[str, float]
    root: Path

    @property
    def subjects(self) -> list[str]:
        return sorted({subject for subject, _ in self.artifacts})


@dataclass(frozen=True)
class Targets:
    """Targets of the guiding and of the judging subjects, one of each per target region."""

    guides: list[Target]
    judges: list[Target]
    folder: Path

    @property
    def digests(self) -> dict[str, str]:
        return {target.name: target.digest for target in (*self.guides, *self.judges)}


def fit_brains(settings: DemoSettings, folder: Path, progress: Progress) -> Encoders:
    """Simulate a BIDS data set, then fit it as any other: nothing but its files is passed on."""
    folder = folder.resolve()  # a configuration takes relative paths as those below its own folder
    made = simulate_dataset(
        folder / "bids",
        n_subjects=settings.subjects,
        n_runs=settings.runs,
        n_volumes=settings.volumes,
        tr=settings.tr,
        seed=settings.stream("brains"),
        progress=Part(progress, 0.0, 0.3),
    )
    masks = made.root / "derivatives" / "regions"
    config = parse_config(
        {
            "dataset": str(made.root),
            "features": {"kind": "world"},
            "regions": {name: str(masks / f"{name}.nii.gz") for name in lab.REGIONS},
            "model": "pls",
            "seed": settings.stream("folds"),
            "output": str(folder / "artifacts"),
        },
        folder,
    )
    report = fit(config, progress=Part(progress, 0.3, 1.0))
    artifacts = {(fitted.subject, fitted.region): load_artifact(fitted.path) for fitted in report.artifacts}
    return Encoders(artifacts, report.metrics["pls"], config.output)


def reference_features(settings: DemoSettings, space: FeatureSpace) -> NDArray[np.float32]:
    """Extract features (n, D) of scenes of the world: their scores have mean 0 and standard deviation 1."""
    rng = generator(settings.stream("reference"))
    return space.extract([render(draw_scene(rng)) for _ in range(settings.reference_scenes)])


def make_targets(settings: DemoSettings, encoders: Encoders, space: FeatureSpace, folder: Path) -> Targets:
    """Make mean weights of each target region over the guiding, and over the judging subjects."""
    reference = reference_features(settings, space)
    half = len(encoders.subjects) // 2
    guiding, judging = encoders.subjects[:half], encoders.subjects[half:]

    def of_regions(subjects: Sequence[str], ending: str) -> list[Target]:
        return [
            region_target(name + ending, [encoders.artifacts[who, name] for who in subjects], reference)
            for name in lab.TARGETS
        ]

    targets = Targets(of_regions(guiding, ""), of_regions(judging, JUDGE), folder)
    for target in (*targets.guides, *targets.judges):
        save_target(folder, target)
    return targets
