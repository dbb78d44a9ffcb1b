"""Readers of a diagnosis made of real components, and the embedded generator from end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from almond.diagnosis.diagnose import diagnose, make_checks
from almond.diagnosis.readers import WorldScorer, reader_of, split_by_subject
from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.space import card_of_space
from almond.errors import InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.progress import Silent
from almond.rng import generator as random_generator
from almond.targets.scorer import Scorer
from almond.targets.target import standardised_target
from almond.world.networks import load_network
from tests.almond.diagnosed import (
    numbers,
)
from tests.almond.guided_fakes import (
    settings,
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def artifact(subject: str, region: str, seed: int) -> EncoderArtifact:
    space = open_world()
    return EncoderArtifact(
        subject=subject,
        region=region,
        model="pls",
        feature_space=card_of_space(space),
        weights=random_generator(seed, "weights").normal(size=(space.dimension, 1)),
        intercept=np.zeros(1),
        voxels=np.zeros((1, 3), np.int64),
        dropped=np.zeros((0, 3), np.int64),
        mask_digest="0" * 64,
        digest=f"{subject}{region}".ljust(64, "0"),
    )


def test_leaving_subjects_out_makes_a_judge() -> None:
    space = open_world()
    reference = random_generator(1, "reference").normal(size=(20, space.dimension))
    artifacts = {
        region: [artifact(subject, region, 10 * n + k) for n, subject in enumerate(("01", "02", "03"))]
        for k, region in enumerate(("LB", "CM"))
    }
    split = split_by_subject(space, artifacts, reference)
    assert (split.guide.subjects, split.judge.subjects) == (frozenset({"01"}), frozenset({"02", "03"}))
    assert [reader.name for reader in split.subjects] == ["sub-01", "sub-02", "sub-03"]
    lone = {region: of_region[:1] for region, of_region in artifacts.items()}
    with pytest.raises(InputError, match="nobody is left to judge"):
        split_by_subject(space, lone, reference)
    with pytest.raises(InputError, match="differ in their subjects"):
        split_by_subject(space, {**artifacts, "CM": artifacts["CM"][:2]}, reference)


def test_the_world_judge_reads_the_regions_of_the_world() -> None:
    judge = WorldScorer(("LB", "CM"))
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    latents = load_network("judge").read_latents(images)
    assert torch.allclose(judge(images), latents @ judge.weights)
    with pytest.raises(InputError, match="V9 is not of the simulated world"):
        WorldScorer(("V9",))


def test_the_analytic_generator_is_diagnosed_from_end_to_end(tmp_path: Path) -> None:
    space = open_world()
    reference = space.extract([np.full((96, 96, 3), value, np.uint8) for value in (0, 90, 180, 255)])
    targets = [
        standardised_target(
            name,
            random_generator(seed, "weights").normal(size=space.dimension),
            reference,
            feature_space_digest=space.digest,
            sources=(),
        )
        for seed, name in enumerate(("LB", "CM"))
    ]
    small = settings(
        generator="analytic",
        prompts=("a person standing in a room", "a street"),
        seeds=(3,),
        strengths=(0.1,),
        steps=6,
        rule="through",
        window=(0.02, 0.5),
        unguided=4,
        interpolations=0,
        permutations=19,
    )
    readers = [
        reader_of("guide", "guide", Scorer(space, targets), ("LB", "CM")),
        reader_of("world", "judge", WorldScorer(("LB", "CM")), ("LB", "CM")),
    ]
    diagnosis = diagnose(
        small,
        generator=AnalyticGenerator(rule=BankRule(each=6)),
        readers=readers,
        keep=tmp_path / "pictures",
        progress=Silent(),
    )
    assert diagnosis.data["pictures"] == {"unguided": 4, "guided": 8, "late": 4}
    assert "2 prompts allow no test" in diagnosis.answers["selectivity"].reason
    assert diagnosis.overall.verdict in ("no verdict", "bad")
    own = numbers(diagnosis, "own_judge")["targets"]
    assert all(row["own"] > 0 for row in own)
    assert "features" in diagnosis.data["readers"][0]
    again = make_checks(diagnosis.evidence, Silent())
    assert again["own_judge"].sentence == diagnosis.answers["own_judge"].sentence
