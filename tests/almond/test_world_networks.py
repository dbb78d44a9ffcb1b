"""The networks: what they read of fresh scenes, their gradients, their digests; the text encoder."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from almond.digest import digest_file
from almond.errors import DigestMismatch, InputError
from almond.rng import generator
from almond.world import weights
from almond.world.networks import NETWORKS, expected_latents, load_network
from almond.world.scenes import ALL_ATTRIBUTES, LATENTS, PERSON_ATTRIBUTES, draw_scene, latents, render_many
from almond.world.text import (
    SceneTextEncoder,
    TextConfig,
    WordTokenizer,
    load_text,
    save_text,
    world_vocabulary,
)

COUNT = 240


@pytest.fixture(scope="module")
def scenes():
    torch.set_num_threads(1)
    rng = generator(77, "network-tests")
    return [draw_scene(rng) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def images(scenes):
    return torch.from_numpy(render_many(scenes)).permute(0, 3, 1, 2).float() / 255.0


@pytest.fixture(scope="module")
def truth(scenes):
    return np.array([latents(scene) for scene in scenes])


@pytest.fixture(scope="module")
def read(images):
    """For each network: probabilities and latents of the test scenes."""
    found = {}
    with torch.no_grad():
        for name in NETWORKS:
            network = load_network(name)
            found[name] = (network.probabilities(images), network.read_latents(images).numpy())
    return found


def accuracy(probabilities, scenes, name):
    shown = [
        index
        for index, scene in enumerate(scenes)
        if name not in PERSON_ATTRIBUTES or scene.presence != "nobody"
    ]
    values = ALL_ATTRIBUTES[name]
    guesses = probabilities[name].argmax(1).tolist()
    return np.mean([values[guesses[index]] == getattr(scenes[index], name) for index in shown])


# Measured on 1000 fresh scenes (almond/world/weights/card.md), less about four standard errors.
FLOORS = {
    "place": 0.97,
    "light": 0.96,
    "presence": 0.96,
    "distance": 0.97,
    "posture": 0.92,
    "object": 0.96,
    "tint": 0.88,
    "contrast": 0.91,
}
FINE = ("expression", "gaze", "texture")
FINE_FLOORS = {"features": (0.82, 0.81, 0.93), "reader": (0.70, 0.71, 0.68), "judge": (0.84, 0.82, 0.93)}


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("attribute", list(ALL_ATTRIBUTES))
def test_attributes_are_read_from_fresh_scenes(read, scenes, network, attribute):
    floors = FLOORS | dict(zip(FINE, FINE_FLOORS[network], strict=True))
    assert accuracy(read[network][0], scenes, attribute) >= floors[attribute]


@pytest.mark.parametrize(
    "latent", ["threat", "nearness", "presence", "darkness", "flowers", "dog", "outdoors"]
)
def test_the_reader_s_latents_follow_the_truth(read, truth, latent):
    column = LATENTS.index(latent)
    assert np.corrcoef(read["reader"][1][:, column], truth[:, column])[0, 1] > 0.95


@pytest.mark.parametrize("network", list(NETWORKS))
def test_answers_are_probabilities_and_latents_in_range(read, network):
    probabilities, found = read[network]
    assert list(probabilities) == list(ALL_ATTRIBUTES)
    for name, values in probabilities.items():
        assert values.shape == (COUNT, len(ALL_ATTRIBUTES[name]))
        torch.testing.assert_close(values.sum(1), torch.ones(COUNT))
    assert found.shape == (COUNT, len(LATENTS))
    assert found.min() >= 0.0
    assert found.max() <= 1.0 + 1e-6


def test_certain_probabilities_give_the_scene_s_own_latents(scenes, truth):
    """The mirror of ``latents``: with all probability on the true values the two agree exactly."""
    certain = {
        name: torch.tensor([[float(getattr(scene, name) == value) for value in values] for scene in scenes])
        for name, values in ALL_ATTRIBUTES.items()
    }
    np.testing.assert_allclose(expected_latents(certain).numpy(), truth, atol=1e-6)


def test_fc7_is_the_layer_before_the_nonlinearity(images):
    network = load_network("features")
    hidden = network.fc7(images[:6])
    assert hidden.shape == (6, 256)
    assert hidden.min() < 0.0, "values before a rectifier can be negative"
    by_hand = network.heads["place"](torch.relu(hidden))
    torch.testing.assert_close(network(images[:6])["place"], by_hand)
    torch.testing.assert_close(network.latents(images[:6]), network.latent_head(hidden))


@pytest.mark.parametrize("network", list(NETWORKS))
def test_gradients_reach_every_pixel(network, images):
    pixels = images[:2].clone().requires_grad_(True)
    load_network(network).read_latents(pixels)[:, 0].sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().sum(1) > 0).float().mean() > 0.9


def test_other_sizes_are_resized_and_other_shapes_refused(images):
    network = load_network("judge")
    large = torch.nn.functional.interpolate(images[:20], scale_factor=2.0, mode="bilinear")
    same = network.probabilities(large)["place"].argmax(1) == network.probabilities(images[:20])[
        "place"
    ].argmax(1)
    assert same.float().mean() >= 0.9
    assert network(torch.rand(1, 3, 70, 131))["light"].shape == (1, 3)
    with pytest.raises(InputError, match="batch, 3, height, width"):
        network(torch.rand(3, 96, 96))


def test_an_unknown_network_is_refused():
    with pytest.raises(InputError, match="features, reader, judge"):
        load_network("oracle")


def test_records_agree_with_the_files_and_the_card():
    recorded = weights.recorded_digests()
    assert set(recorded) == {path.name for path in weights.FOLDER.glob("*.safetensors")}
    text = (weights.FOLDER / "card.md").read_text(encoding="utf-8")
    for name, digest in recorded.items():
        assert digest_file(weights.FOLDER / name) == digest
        assert digest in text, f"the card does not name {name}'s digest"


def test_networks_are_small_and_their_digests_differ():
    recorded = weights.recorded_digests()
    assert len(set(recorded.values())) == len(recorded) >= len(NETWORKS)
    for name in NETWORKS:
        assert (weights.FOLDER / f"{name}.safetensors").stat().st_size <= 1_550_000


def test_tampered_weights_are_refused(tmp_path):
    shutil.copytree(weights.FOLDER, tmp_path / "weights")
    path = tmp_path / "weights" / "reader.safetensors"
    assert weights.checked("reader.safetensors", path.parent) == path
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DigestMismatch, match=r"reader\.safetensors"):
        weights.checked("reader.safetensors", path.parent)


def test_tokenizer_pads_cuts_and_says_what_it_read():
    tokenizer = WordTokenizer(world_vocabulary(), 6)
    rows = tokenizer(["", "a person in a room with a snake", "purple room"])
    assert rows.shape == (3, 6)
    assert rows[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert rows[2].tolist()[:2] == [1, 2]
    assert tokenizer.words("purple room") == (("room",), ("purple",))
    assert tokenizer.words("a person in a room with a snake") == (
        ("a", "person", "in", "a", "room"),
        ("with", "a", "snake"),
    )
    with pytest.raises(InputError, match="vocabulary"):
        WordTokenizer(["a", "b"], 4)


def test_text_encoder_round_trip(tmp_path):
    torch.manual_seed(1)
    tokenizer = WordTokenizer(world_vocabulary(), 12)
    encoder = SceneTextEncoder(
        TextConfig(len(tokenizer.vocabulary), length=12, width=32, layers=1, heads=2)
    ).eval()
    save_text(tmp_path, tokenizer, encoder, torch.float32)
    again, loaded = load_text(tmp_path)
    rows = again(["a dog in a park", ""])
    assert again.vocabulary == tokenizer.vocabulary
    torch.testing.assert_close(loaded(rows), encoder(rows))
    assert loaded(rows).shape == (2, 12, 32)
    with pytest.raises(InputError, match="no text encoder"):
        load_text(tmp_path / "elsewhere")


def test_word_order_matters_to_the_text_encoder():
    torch.manual_seed(2)
    tokenizer = WordTokenizer(world_vocabulary(), 8)
    encoder = SceneTextEncoder(TextConfig(len(tokenizer.vocabulary), length=8, width=32, layers=1, heads=2))
    torch.nn.init.normal_(encoder.places)
    states = encoder(tokenizer(["dog room", "room dog"]))
    assert not torch.allclose(states[0, 0], states[1, 0])
