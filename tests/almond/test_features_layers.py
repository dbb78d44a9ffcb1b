"""Layers of torch networks, networks by name, and the cache of features."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from almond.digest import digest_array
from almond.encoding.config.features import FeatureSpec
from almond.encoding.features.cache import extract_cached
from almond.encoding.features.kinds.torch import TorchSpec
from almond.encoding.features.kinds.transformers import TransformersSpec
from almond.encoding.features.networks.hub import published_preprocessing, timm_name
from almond.encoding.features.networks.image_preprocessing import Preprocessing, read_mean
from almond.encoding.features.open import open_space
from almond.errors import Cancelled, InputError
from almond.rng import generator
from almond.shapes import read

SIDE = 12


class Small(nn.Module):
    """Convolution, ReLU in place, tokens, a linear head."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.tokens = nn.Flatten(2)
        self.head = nn.Linear(4 * SIDE * SIDE, 5)
        self.pair = Pair()
        self.unused = nn.Identity()

    def forward(self, images):
        maps = self.act(self.first(images))
        tokens = self.pair(self.tokens(maps).transpose(1, 2))[0]
        return {"logits": self.head(tokens.flatten(1)), "again": self.act(maps)}


class Pair(nn.Module):
    def forward(self, tokens):
        return tokens * 2, "weights of attention"


def make_small():
    return Small()


def not_a_network():
    return "text"


HERE = f"{__name__}:make_small"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    rng = generator(1, "small network")
    network = Small()
    for value in network.parameters():
        value.data = torch.from_numpy(rng.normal(0, 0.3, value.shape)).float()
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def images():
    rng = generator(2, "images")
    return [rng.integers(0, 256, (side, side + 3, 3), dtype=np.uint8) for side in (9, 12, 30)]


def spec(weights, **changes):
    settings = {"model": HERE, "weights": str(weights), "layer": "first", "resize": SIDE}
    return TorchSpec(kind="torch", **{**settings, **changes})


def prepared_by_hand(image, *, mean, std, largest):
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    x = nn.functional.interpolate(x, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    x = x.clamp(0, 255) / 255 * largest
    return (x - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def test_a_layer_before_an_in_place_relu_with_its_preprocessing(weights, images):
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    space = open_space(spec(weights, mean=mean, std=std))
    found = space.extract(images)
    for image, row in zip(images, found, strict=True):
        with torch.no_grad():
            expected = space.network.first(prepared_by_hand(image, mean=mean, std=std, largest=1.0))
        np.testing.assert_allclose(row, expected.flatten().numpy(), atol=1e-5)
    assert found.min() < 0  # what the ReLU would have cut off
    assert space.dimension == 4 * SIDE * SIDE
    assert space.describe()["preprocessing"]["std"] == list(std)


def test_forward_gives_gradients_and_the_same_numbers(weights, images):
    space = open_space(spec(weights, range=255, scale=0.01))
    tensor = (torch.from_numpy(images[0]).permute(2, 0, 1)[None].float() / 255).requires_grad_()
    features = space.forward(tensor)
    np.testing.assert_allclose(features.detach().numpy()[0], space.extract(images)[0], atol=1e-5)
    features.sum().backward()
    assert tensor.grad.abs().sum() > 0
    assert not space.network.first._forward_hooks  # the hook is gone


def test_pooling_of_maps_and_tokens(weights, images):
    flat = open_space(spec(weights)).extract(images)
    mean = open_space(spec(weights, pool="mean")).extract(images)
    np.testing.assert_allclose(mean, flat.reshape(3, 4, -1).mean(2), atol=1e-5)
    tokens = open_space(spec(weights, layer="pair")).extract(images).reshape(3, SIDE * SIDE, 4)
    relu = flat.reshape(3, 4, -1).transpose(0, 2, 1).clip(0)
    np.testing.assert_allclose(tokens, 2 * relu, atol=1e-5)  # the first of a tuple
    first = open_space(spec(weights, layer="pair", pool="first")).extract(images)
    np.testing.assert_allclose(first, tokens[:, 0], atol=1e-6)
    averaged = open_space(spec(weights, layer="pair", pool="mean")).extract(images)
    np.testing.assert_allclose(averaged, tokens.mean(1), atol=1e-5)
    with pytest.raises(InputError, match="pool first does not fit"):
        open_space(spec(weights, pool="first"))


def test_digest_follows_weights_layer_pool_and_preprocessing(weights, tmp_path):
    state = open_space(spec(weights)).network.state_dict()
    state["head.bias"] = state["head.bias"] + 1
    save_file(state, tmp_path / "other.safetensors")
    spaces = [
        open_space(spec(weights)),
        open_space(spec(tmp_path / "other.safetensors")),
        open_space(spec(weights, layer="head")),
        open_space(spec(weights, pool="mean")),
        open_space(spec(weights, mean=(0.1, 0.1, 0.1))),
        open_space(spec(weights, std=(0.1, 0.1, 0.1))),
        open_space(spec(weights, range=255)),
        open_space(spec(weights, scale=2.0)),
        open_space(spec(weights, filter="bilinear")),
    ]
    assert len({space.digest for space in spaces}) == len(spaces)
    assert open_space(spec(weights)).digest == spaces[0].digest


def test_what_does_not_fit_is_said(weights, tmp_path):
    for changes, problem in (
        ({"layer": "absent"}, "has no layer 'absent'.*first, act, tokens, head, pair"),
        ({"layer": "act"}, "the layer ran 2 times"),
        ({"layer": "unused"}, "the layer ran 0 times"),
        ({"resize": 8, "layer": "head"}, "cannot take images of 8 x 8 pixels"),
        ({"model": "almond.absent:make"}, "cannot be imported"),
        ({"model": "almond.errors:absent"}, "cannot be imported"),
        ({"model": f"{__name__}:not_a_network"}, "gives a str"),
    ):
        with pytest.raises(InputError, match=problem):
            open_space(spec(weights, **changes))
    save_file({"first.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "part.safetensors")
    with pytest.raises(InputError, match=r"missing: first\.bias, head\.weight, head\.bias"):
        open_space(spec(tmp_path / "part.safetensors"))
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="cuda is not there"):
            open_space(spec(weights), device="cuda")


def test_own_weights_are_those_of_the_factory(weights):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        own = open_space(spec("own"))
    assert own.digest != open_space(spec(weights)).digest


def test_images_and_means_of_wrong_shapes_are_named(weights, images, tmp_path):
    space = open_space(spec(weights))
    with pytest.raises(InputError, match=r"images\[1\]: is an array of float64"):
        space.extract([images[0], np.zeros((4, 4, 3))])
    with pytest.raises(InputError, match="images: shape"):
        space.forward(torch.zeros(1, 2, 8, 8))
    np.save(tmp_path / "mean.npy", np.zeros((5, 5)))
    with pytest.raises(InputError, match="three numbers or a mean image"):
        read_mean(tmp_path / "mean.npy")
    with pytest.raises(InputError, match="mean: has shape"):
        Preprocessing(8, mean=np.zeros((7, 7, 3), np.float32))


@pytest.mark.parametrize(("kind", "model"), [("timm", "resnet18"), ("open_clip", "ViT-B-32")])
def test_absent_libraries_name_the_extra(kind, model):
    if importlib.util.find_spec(kind) is not None:
        pytest.skip(f"{kind} is installed")
    with pytest.raises(InputError, match=rf"needs the library {kind}.*almond\[networks\]"):
        open_space(read(FeatureSpec, {"kind": kind, "model": model, "pretrained": "x"}, source="features"))


def save_clip(folder, **changes):
    """A tiny CLIP image tower of the real classes, with its file of preprocessing."""
    config = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=6,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = CLIPVisionModelWithProjection(config).eval()
    network.save_pretrained(folder)
    published = {
        "crop_size": {"height": 32, "width": 32},
        "resample": 3,
        "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
        **changes,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(published))
    return network


def test_the_image_tower_of_a_local_clip(tmp_path, images):
    network = save_clip(tmp_path)
    space = open_space(TransformersSpec(kind="transformers", path=str(tmp_path)))
    assert (space.dimension, space.image_size) == (6, 32)
    x = torch.from_numpy(images[2]).permute(2, 0, 1)[None].float() / 255
    x = nn.functional.interpolate(x, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    x = (x - torch.tensor([0.48, 0.46, 0.41]).view(1, 3, 1, 1)) / torch.tensor([0.27, 0.26, 0.28]).view(
        1, 3, 1, 1
    )
    with torch.no_grad():
        given = network(pixel_values=x, output_hidden_states=True)
    np.testing.assert_allclose(space.extract(images)[2], given.image_embeds[0].numpy(), atol=1e-5)
    layer = next(name for name, _ in space.network.named_modules() if name.endswith("encoder.layers.0"))
    tokens = open_space(TransformersSpec(kind="transformers", path=str(tmp_path), layer=layer, pool="first"))
    np.testing.assert_allclose(tokens.extract(images)[2], given.hidden_states[1][0, 0].numpy(), atol=1e-5)
    assert tokens.digest != space.digest


def test_a_folder_that_is_no_clip_is_named(tmp_path):
    save_clip(tmp_path, image_mean=[0.5])
    with pytest.raises(InputError, match="publishes the mean"):
        open_space(TransformersSpec(kind="transformers", path=str(tmp_path)))
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match=r"preprocessor_config\.json: cannot be read"):
        open_space(TransformersSpec(kind="transformers", path=str(tmp_path)))
    save_clip(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="cannot be loaded"):
        open_space(TransformersSpec(kind="transformers", path=str(tmp_path)))


def test_the_image_tower_of_a_whole_clip_with_the_newer_file_of_preprocessing(tmp_path, images):
    network = save_clip(tmp_path / "tower")
    parts = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={
            **parts,
            "vocab_size": 20,
            "max_position_embeddings": 8,
            "bos_token_id": 0,
            "eos_token_id": 1,
        },
        vision_config={**parts, "image_size": 32, "patch_size": 8, "projection_dim": 6},
        projection_dim=6,
    )
    whole = CLIPModel(config)
    whole.vision_model.load_state_dict(network.vision_model.state_dict())
    whole.visual_projection.load_state_dict(network.visual_projection.state_dict())
    whole.save_pretrained(tmp_path / "whole")
    published = json.loads((tmp_path / "tower" / "preprocessor_config.json").read_text())
    (tmp_path / "whole" / "processor_config.json").write_text(json.dumps({"image_processor": published}))
    tower, found = (
        open_space(TransformersSpec(kind="transformers", path=str(tmp_path / name)))
        for name in ("tower", "whole")
    )
    np.testing.assert_allclose(found.extract(images), tower.extract(images), atol=1e-6)
    assert found.digest == tower.digest


def test_names_of_timm_carry_their_tag_once():
    assert timm_name("resnet50", "a1_in1k") == "resnet50.a1_in1k"
    assert timm_name("resnet50.a1_in1k", "a1_in1k") == "resnet50.a1_in1k"
    assert timm_name("resnet50", "") == "resnet50"
    with pytest.raises(InputError, match="is a2_in1k, but the model says a1_in1k"):
        timm_name("resnet50.a1_in1k", "a2_in1k")


def test_published_preprocessing_is_checked():
    numbers = [0.5, 0.5, 0.5]
    with pytest.raises(InputError, match=r"takes images of \(32, 48\) pixels"):
        published_preprocessing((32, 48), "bicubic", numbers, numbers, "x")
    with pytest.raises(InputError, match="publishes the filter 'random'"):
        published_preprocessing((32, 32), "random", numbers, numbers, "x")
    found = published_preprocessing((32, 32), "bilinear", numbers, numbers, "x")
    assert found.describe()["std"] == numbers


class Counted:
    """The space of the weights, counting what it computes and what was loaded for it."""

    def __init__(self, space):
        self.space, self.computed = space, 0
        self.digest, self.dimension = space.digest, space.dimension

    def extract(self, images):
        self.computed += len(images)
        return self.space.extract(images)


def test_a_new_image_computes_one_image(weights, images, tmp_path):
    space = Counted(open_space(spec(weights)))
    digests = [digest_array(image) for image in images]
    first = extract_cached(space, digests[:2], lambda: images[:2], tmp_path)
    both = extract_cached(
        space, [digests[2], digests[0], digests[2]], lambda: [images[2], *images[::2]], tmp_path
    )
    assert space.computed == 3
    np.testing.assert_array_equal(both[1], first[0])
    np.testing.assert_array_equal(both[0], both[2])
    np.testing.assert_allclose(both[0], space.space.extract([images[2]])[0], atol=1e-6)
    other = Counted(open_space(spec(weights, pool="mean")))
    assert extract_cached(other, digests, lambda: images, tmp_path).shape == (3, 4)
    assert other.computed == 3
    assert extract_cached(space, [], list, tmp_path).shape == (0, space.dimension)


def test_a_stopped_extraction_keeps_its_batches(weights, images, tmp_path, monkeypatch):
    monkeypatch.setattr("almond.encoding.features.cache.BATCH", 1)

    class Stop:
        def report(self, fraction, message=""):
            if fraction > 0.5:
                raise Cancelled("stopped")

    space = Counted(open_space(spec(weights)))
    digests = [digest_array(image) for image in images]
    with pytest.raises(Cancelled):
        extract_cached(space, digests, lambda: images, tmp_path, Stop())
    assert space.computed == 2
    extract_cached(space, digests, lambda: images, tmp_path)
    assert space.computed == 3
