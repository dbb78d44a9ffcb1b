"""Who reads pictures in a diagnosis: the guide, a held-out judge, single subjects, other networks.

A judge is held out if nobody whose weights it is made of guided (see
``docs/adr/0005-judges-take-no-part-in-the-choice.md``). Where there is none, one is made by leaving subjects
out: ``split_by_subject``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.generating.sources import Sources
from almond.guidance.sampler import DifferentiableScorer
from almond.targets.scorer import Scorer
from almond.targets.target import region_target
from almond.typing import Floats, ImageArray
from almond.world.brains import TRUTH, region_weights
from almond.world.networks import load_network

Role = Literal["guide", "judge", "subject", "network"]
"""What a reader is to the pictures: it guided them; it is held out; it is one subject's weights; it is the
same targets read through another feature network."""

BATCH = 16
JUDGE_ENDING = "_judge"


@dataclass(frozen=True)
class TargetReader:
    """Somebody's scores of the guide's targets, in the guide's order.

    ``scorer`` maps images (B, 3, H, W) in [0, 1] to scores, of which ``columns`` are those of the targets.
    ``subjects`` are the encoder subjects that it is made of, None where that is not known; ``features`` is
    the digest of its feature space, empty where it has none.
    """

    name: str
    role: Role
    scorer: DifferentiableScorer
    columns: tuple[int, ...]
    subjects: frozenset[str] | None = None
    features: str = ""

    def read(self, images: Sequence[ImageArray]) -> Floats:
        """Score images (H, W, 3) uint8, which may differ in size: (n, T)."""
        parts = [np.empty((0, len(self.columns)))]
        for start in range(0, len(images), BATCH):
            parts += [self._batch(group) for group in _of_one_size(images[start : start + BATCH])]
        return np.concatenate(parts)

    def _batch(self, images: Sequence[ImageArray]) -> Floats:
        values = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255.0
        with torch.no_grad():
            scores = self.scorer(values)
        return np.asarray(scores[:, list(self.columns)].double().cpu().numpy(), np.float64)


def _of_one_size(images: Sequence[ImageArray]) -> list[list[ImageArray]]:
    """Split images into stretches of one size, in their order."""
    groups: list[list[ImageArray]] = []
    for image in images:
        if groups and groups[-1][-1].shape == image.shape:
            groups[-1].append(image)
        else:
            groups.append([image])
    return groups


def reader_of(
    name: str,
    role: Role,
    scorer: DifferentiableScorer,
    targets: Sequence[str],
    *,
    subjects: Sequence[str] | None = None,
) -> TargetReader:
    """Make a reader of ``targets`` from a scorer of the same names, or of names that end in ``_judge``.

    :raises InputError: the scorer lacks one of the targets.
    """
    places = {score.removesuffix(JUDGE_ENDING): index for index, score in enumerate(scorer.names)}
    if missing := [target for target in targets if target not in places]:
        raise InputError(f"{role} {name}", f"does not score {missing[0]}", f"scores of {', '.join(targets)}")
    space: FeatureSpace | None = getattr(scorer, "feature_space", None)
    return TargetReader(
        name,
        role,
        scorer,
        tuple(places[target] for target in targets),
        None if subjects is None else frozenset(subjects),
        "" if space is None else space.digest,
    )


def check_held_out(guide: TargetReader, judge: TargetReader) -> None:
    """Make sure that a judge took no part in guiding.

    :raises InputError: it has weights or an encoder subject in common with the guide.
    """
    shared = (guide.subjects or frozenset()) & (judge.subjects or frozenset())
    digests = [
        {dict(getattr(reader.scorer, "digests", {})).get(reader.scorer.names[c]) for c in reader.columns}
        for reader in (guide, judge)
    ]
    if judge.scorer is guide.scorer or (digests[0] & digests[1]) - {None}:
        raise InputError(f"judge {judge.name}", "is the guide itself", "weights that did not guide")
    if shared:
        raise InputError(
            f"judge {judge.name}",
            f"shares sub-{', sub-'.join(sorted(shared))} with the guide",
            "subjects who did not guide",
        )


class WorldScorer:
    """The simulated world's held-out network: expected attributes of a picture, weighted as the true regions.

    It shares no weights with the network whose features guide, and reads the regions of the simulated world.

    :raises InputError: a region that the world does not have.
    """

    def __init__(self, regions: Sequence[str]) -> None:
        if unknown := [name for name in regions if name not in TRUTH]:
            raise InputError("regions", f"{unknown[0]} is not of the simulated world", ", ".join(TRUTH))
        self.names = tuple(regions)
        self.network = load_network("judge")
        self.weights = torch.from_numpy(np.stack([region_weights(name) for name in regions], axis=1)).float()

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Score (B, 3, H, W) in [0, 1] -> (B, T), in units of the true weights."""
        return self.network.read_latents(images) @ self.weights


@dataclass(frozen=True)
class SubjectSplit:
    """A guide of some subjects, the held-out judge of the others, and every subject alone."""

    guide: TargetReader
    judge: TargetReader
    subjects: tuple[TargetReader, ...]


def split_by_subject(
    space: FeatureSpace,
    artifacts: Mapping[str, Sequence[EncoderArtifact]],
    reference_features: Floats,
    *,
    guides: Sequence[str] | None = None,
) -> SubjectSplit:
    """Make guide and judge of different subjects' encoders.

    :param artifacts: region (a target) -> its encoders, one per subject, the same subjects for every region.
    :param reference_features: (n, D), over which scores have mean 0 and SD 1.
    :param guides: the subjects who guide; by default the first half of them.
    :raises InputError: regions of different subjects, or nobody who would be left to judge.
    """
    by_subject = {
        region: {artifact.subject: artifact for artifact in of_region}
        for region, of_region in artifacts.items()
    }
    everybody = [tuple(sorted(of_region)) for of_region in by_subject.values()]
    if not everybody or len(set(everybody)) > 1:
        raise InputError("encoders", "differ in their subjects between regions", "the same for every region")
    subjects = everybody[0]
    guiding = list(subjects[: len(subjects) // 2]) if guides is None else list(guides)
    judging = [subject for subject in subjects if subject not in guiding]
    if not guiding or not judging:
        raise InputError(
            "encoders", f"are of {len(subjects)} subjects, nobody is left to judge", "two or more subjects"
        )

    def scorer(members: Sequence[str]) -> Scorer:
        targets = [
            region_target(region, [of_region[subject] for subject in members], reference_features)
            for region, of_region in by_subject.items()
        ]
        return Scorer(space, targets)

    def reader(name: str, role: Role, members: Sequence[str]) -> TargetReader:
        return reader_of(name, role, scorer(members), list(artifacts), subjects=members)

    return SubjectSplit(
        reader("guide", "guide", guiding),
        reader("the other subjects", "judge", judging),
        tuple(reader(f"sub-{subject}", "subject", [subject]) for subject in subjects),
    )


def named_readers(sources: Sources, *, world_judge: bool) -> list[TargetReader]:
    """Return the guide, and as judge the named targets or the world's held-out network, if there is one."""
    names = [target.name for target in sources.guides]
    readers = [reader_of("guide", "guide", Scorer(sources.space, sources.guides), names)]
    if world_judge:
        readers.append(reader_of("the world's held-out network", "judge", WorldScorer(names), names))
    elif sources.judges:
        readers.append(reader_of("judge", "judge", Scorer(sources.space, sources.judges), names))
    return readers
