"""Feature spaces, artifacts, targets and scores: the same numbers everywhere, nothing changed unnoticed."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from almond.digest import digest_array
from almond.encoding.artifacts.artifact import EncoderArtifact, load_artifact, save_artifact
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.networks.world import NetworkFeatures
from almond.encoding.features.tables import load_table
from almond.errors import DigestMismatch, InputError
from almond.rng import generator
from almond.targets.scorer import Scorer
from almond.targets.target import (
    Target,
    contrast_target,
    load_target,
    region_target,
    save_target,
    scores,
    standardised_target,
)

SIZE = 16


class TinyNet(nn.Module):
    """A convolution and a hidden layer of five values."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        self.conv, self.hidden = nn.Conv2d(3, 4, 3, 2), nn.Linear(4 * 7 * 7, 5)
        rng = generator(seed, "tiny network")
        for weights in self.parameters():
            weights.data = torch.from_numpy(rng.normal(0, 0.3, weights.shape)).float()

    def fc7(self, images: torch.Tensor) -> torch.Tensor:
        return self.hidden(torch.relu(self.conv(images)).flatten(1))


@pytest.fixture(scope="module")
def space():
    return NetworkFeatures("tiny", TinyNet(), image_size=SIZE)


@pytest.fixture(scope="module")
def images():
    rng = generator(1, "images")
    return [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (16, 16, 24, 40)]


def artifact(space_digest="f" * 64, subject="01", scale=1.0, voxels=3, dimension=5):
    rng = generator(4, "artifact", subject)
    return EncoderArtifact(
        subject=subject,
        region="LB",
        model="pls",
        feature_space=FeatureSpaceCard("tiny", space_digest, dimension),
        weights=scale * rng.standard_normal((dimension, voxels)),
        intercept=rng.standard_normal(voxels),
        voxels=np.arange(3 * voxels).reshape(voxels, 3),
        dropped=np.zeros((0, 3), np.int64),
        mask_digest="a" * 64,
        config={"gap": 10.0},
        provenance={"bold": {"sub-01/func/x_bold.nii.gz": "b" * 64}},
        metrics={"heldout_r": {"mean": 0.3}},
    )


def test_extract_and_forward_agree_and_forward_has_gradients(space, images):
    found = space.extract(images)
    assert found.shape == (4, 5)
    assert found.dtype == np.float32
    for image, row in zip(images, found, strict=True):
        tensor = (torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255).requires_grad_()
        features = space.forward(tensor)
        np.testing.assert_allclose(features.detach().numpy()[0], row, rtol=1e-5, atol=1e-6)
        features.sum().backward()
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0
    assert all(weights.grad is None for weights in space.network.parameters())


def test_digest_of_a_feature_space_follows_weights_and_size(space):
    assert NetworkFeatures("other name", TinyNet(), image_size=SIZE).digest == space.digest
    assert NetworkFeatures("tiny", TinyNet(seed=2), image_size=SIZE).digest != space.digest


def test_what_is_not_an_image_is_refused_by_its_place(space, images):
    with pytest.raises(InputError, match=r"images\[1\].*float64"):
        space.extract([images[0], np.zeros((4, 4, 3))])
    with pytest.raises(InputError, match="no layer fc7"):
        NetworkFeatures("linear", nn.Linear(2, 2), image_size=4)


def test_features_are_extracted_once(space, images, tmp_path):
    digests = [digest_array(image) for image in images]
    loads = []

    def load():
        loads.append(1)
        return images

    first = extract_cached(space, digests, load, tmp_path)
    np.testing.assert_array_equal(extract_cached(space, digests, load, tmp_path), first)
    assert len(loads) == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(extract_cached(space, digests, load, tmp_path), first)
    assert len(loads) == 2


def test_artifact_comes_back_as_it_was(tmp_path):
    made = artifact()
    digest, path = save_artifact(tmp_path, made)
    assert path == tmp_path / digest
    assert save_artifact(tmp_path, made) == (digest, path)
    assert [item.name for item in tmp_path.iterdir()] == [digest]
    found = load_artifact(path)
    assert found.digest == digest
    np.testing.assert_array_equal(found.weights, made.weights)
    np.testing.assert_array_equal(found.voxels, made.voxels)
    assert found.to_json() == made.to_json()
    features = generator(1, "x").standard_normal((6, 5))
    np.testing.assert_allclose(found.predict(features), features @ made.weights + made.intercept)


@pytest.mark.parametrize("name", ["weights.npz", "artifact.json"])
def test_a_changed_artifact_is_refused(tmp_path, name):
    _, path = save_artifact(tmp_path, artifact())
    data = bytearray((path / name).read_bytes())
    data[-2] ^= 1 if name == "weights.npz" else 0
    (path / name).write_bytes(bytes(data) if name == "weights.npz" else bytes(data).replace(b"LB", b"CM"))
    with pytest.raises(DigestMismatch, match="was changed"):
        load_artifact(path)


def test_what_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no artifact"):
        load_artifact(tmp_path)
    with pytest.raises(InputError, match="one per feature"):
        artifact().__class__(**{**vars(artifact()), "weights": np.zeros((4, 3))})
    _, path = save_artifact(tmp_path, artifact())
    (path / "artifact.json").write_text(json.dumps({"format": "other/1"}))
    with pytest.raises(InputError, match="format 'other/1'"):
        load_artifact(path)


def test_region_target_is_the_mean_over_voxels_then_subjects(tmp_path):
    first = load_artifact(save_artifact(tmp_path, artifact(subject="01"))[1])
    second = load_artifact(save_artifact(tmp_path, artifact(subject="02", voxels=7))[1])
    reference = generator(1, "reference").standard_normal((50, 5))
    target = region_target("LB", [first, second], reference)
    expected = (first.weights.mean(axis=1) + second.weights.mean(axis=1)) / 2
    np.testing.assert_allclose(target.weights, expected)
    found = scores(target, reference)
    assert found.mean() == pytest.approx(0, abs=1e-12)
    assert found.std(ddof=1) == pytest.approx(1)
    assert target.sources == tuple(sorted([first.digest, second.digest]))


def test_contrast_is_a_sum_of_standardised_scores(tmp_path):
    reference = generator(1, "reference").standard_normal((50, 5))
    parts = {}
    for name, scale in (("A", 1.0), ("B", 1000.0)):
        made = load_artifact(save_artifact(tmp_path, artifact(subject=name, scale=scale))[1])
        parts[name] = (region_target(name, [made], reference), 1.0 if name == "A" else -0.5)
    target = contrast_target("A-B", parts, reference)
    raw = sum(weight * scores(part, reference) for part, weight in parts.values())
    np.testing.assert_allclose(scores(target, reference), (raw - raw.mean()) / raw.std(ddof=1), atol=1e-10)
    assert set(target.sources) == {source for part, _ in parts.values() for source in part.sources}


def test_targets_that_cannot_be_are_refused(tmp_path):
    reference = generator(1, "reference").standard_normal((50, 5))
    with pytest.raises(InputError, match="no fitted encoder"):
        region_target("LB", [], reference)
    with pytest.raises(InputError, match="different feature spaces"):
        region_target("LB", [artifact(), artifact(space_digest="e" * 64)], reference)
    with pytest.raises(InputError, match="score varies"):
        region_target("LB", [artifact()], np.ones((10, 5)))
    with pytest.raises(InputError, match="two or more"):
        region_target("LB", [artifact()], reference[:1])
    with pytest.raises(InputError, match=r"shape \(3, 4\)"):
        scores(region_target("LB", [artifact()], reference), np.ones((3, 4)))


def test_target_on_disk_is_named_by_its_digest_and_checked(tmp_path):
    reference = generator(1, "reference").standard_normal((50, 5))
    target = region_target("LB", [artifact()], reference)
    path = save_target(tmp_path, target)
    assert path.name == f"{target.digest}.json"
    assert load_target(path) == target
    np.savez(path.with_suffix(".npz"), weights=target.weights + 1e-9)
    with pytest.raises(DigestMismatch):
        load_target(path)
    save_target(tmp_path, target)
    path.write_bytes(path.read_bytes().replace(b'"LB"', b'"CM"'))
    with pytest.raises(DigestMismatch):
        load_target(path)
    path.with_suffix(".npz").unlink()
    with pytest.raises(InputError, match="cannot be read as a target"):
        load_target(path)


def made_target(space, name, features):
    weights = generator(1, "weights", name).standard_normal(space.dimension)
    return standardised_target(name, weights, features, feature_space_digest=space.digest, sources=["s"])


def test_scorer_equals_scores_and_its_gradient_is_right(space, images):
    features = space.extract(images)
    targets = [made_target(space, name, features) for name in ("LB", "CM")]
    scorer = Scorer(space, targets)
    assert scorer.names == ("LB", "CM")
    found = scorer.score_images(images)
    np.testing.assert_allclose(found, np.stack([scores(t, features) for t in targets], axis=1))
    batch = torch.stack([torch.from_numpy(image).permute(2, 0, 1) for image in images[:2]]).double() / 255
    tensor = batch.float().requires_grad_()
    out = scorer(tensor)
    np.testing.assert_allclose(out.detach().numpy(), found[:2], rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(out[0, 1], tensor)
    assert gradient[1].abs().max() == 0
    step = 1e-2 * gradient / gradient.norm()
    rise = (scorer(tensor + step) - scorer(tensor - step))[0, 1].item() / 2
    assert rise == pytest.approx(1e-2 * gradient.norm().item(), rel=0.05)


def test_scorer_refuses_strangers(space, images):
    target = made_target(space, "LB", space.extract(images))
    with pytest.raises(InputError, match="none were given"):
        Scorer(space, [])
    with pytest.raises(InputError, match="names repeat"):
        Scorer(space, [target, target])
    other = Target("CM", target.weights, 0.0, 1.0, "0" * 64, ())
    with pytest.raises(InputError, match="belongs to feature space 000"):
        Scorer(space, [other])


def test_tables_in_every_format(tmp_path):
    values = generator(1, "table").standard_normal((4, 2))
    (tmp_path / "t.csv").write_text("a,b\n" + "\n".join(f"{x!r},{y!r}" for x, y in values.tolist()))
    np.save(tmp_path / "t.npy", values)
    np.savez(tmp_path / "t.npz", values=values, names=["a", "b"], stim_file=list("wxyz"))
    for suffix in ("csv", "npy", "npz"):
        np.testing.assert_array_equal(load_table(tmp_path / f"t.{suffix}").values, values)
    assert load_table(tmp_path / "t.csv").names == ("a", "b")
    assert load_table(tmp_path / "t.npz").keys == ("w", "x", "y", "z")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"a,b\n1,x\n", "row 2, column b is 'x', not a number"),
        ("t.csv", b"a,b\n1,\n", "row 2, column b is empty"),
        ("t.tsv", b"stim_file\ta\nx.png\t1\nx.png\t2\n", "names a stimulus twice"),
        ("t.npy", b"not numpy", "cannot be read"),
        ("t.txt", b"1 2", "is not a table of features"),
    ],
)
def test_bad_tables_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_table(tmp_path / name)
