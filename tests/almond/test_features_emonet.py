"""EmoNet at full size with random weights, against the forward pass written out with plain functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

from almond.encoding.features.kinds.emonet import EmonetSpec
from almond.encoding.features.networks.emonet import EmoNet, emonet_space, load_emonet
from almond.encoding.features.open import open_space
from almond.errors import InputError
from almond.rng import generator

SHAPES = {
    "conv_0.0": (96, 3, 11, 11),
    "conv_1.0": (256, 48, 5, 5),
    "conv_2.0": (384, 256, 3, 3),
    "conv_3.0": (384, 192, 3, 3),
    "conv_4.0": (256, 192, 3, 3),
    "conv_5.0": (4096, 256, 6, 6),
    "conv_6.0": (4096, 4096, 1, 1),
    "classifier.0": (20, 4096, 1, 1),
}
"""Names and shapes as the published weights have them."""


def random_weights(seed: int = 1) -> dict[str, torch.Tensor]:
    rng = generator(seed, "emonet weights")
    state = {}
    for name, shape in SHAPES.items():
        spread = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        if name == "classifier.0":
            spread *= np.float32(0.01)  # probabilities that are not all 0 and 1
        values = rng.standard_normal(shape, dtype=np.float32)
        values *= spread
        state[f"{name}.weight"] = torch.from_numpy(values)
        state[f"{name}.bias"] = torch.from_numpy(rng.normal(0, 0.1, shape[0]).astype(np.float32))
    return state


@pytest.fixture(scope="module")
def state():
    return random_weights()


@pytest.fixture(scope="module")
def network(state):
    found = EmoNet()
    found.load_state_dict(state, strict=True)
    return found


@pytest.fixture(scope="module")
def space(network):
    return emonet_space(network)


@pytest.fixture(scope="module")
def images():
    rng = generator(2, "emonet images")
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((227, 227, 3), (90, 160, 3), (64, 64))]


def convolved(x, state, name, *, stride=1, padding=0, groups=1):
    """A grouped convolution as separate convolutions of slices of channels."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    inputs, outputs = x.shape[1] // groups, weight.shape[0] // groups
    parts = [
        functional.conv2d(
            x[:, g * inputs : (g + 1) * inputs],
            weight[g * outputs : (g + 1) * outputs],
            bias[g * outputs : (g + 1) * outputs],
            stride=stride,
            padding=padding,
        )
        for g in range(groups)
    ]
    return torch.cat(parts, 1)


def normalised(x):
    """Response normalisation over the five neighbouring channels, as AlexNet's paper writes it."""
    squares = functional.pad(x**2, (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, shift : shift + x.shape[1]] for shift in range(5))
    return x / (1 + 1e-4 / 5 * total) ** 0.75


def written_out(x, state):
    """(B, 3, 227, 227) of 0-255 -> fc6, fc7, fc8 before their nonlinearities, and the probabilities."""

    def pool(maps):
        return functional.max_pool2d(maps, 3, 2)

    x = pool(normalised(convolved(x, state, "conv_0.0", stride=4).relu()))
    x = pool(normalised(convolved(x, state, "conv_1.0", padding=2, groups=2).relu()))
    x = convolved(x, state, "conv_2.0", padding=1).relu()
    x = convolved(x, state, "conv_3.0", padding=1, groups=2).relu()
    x = pool(convolved(x, state, "conv_4.0", padding=1, groups=2).relu())
    fc6 = x.flatten(1) @ state["conv_5.0.weight"].flatten(1).T + state["conv_5.0.bias"]
    fc7 = fc6.relu() @ state["conv_6.0.weight"].flatten(1).T + state["conv_6.0.bias"]
    fc8 = fc7.relu() @ state["classifier.0.weight"].flatten(1).T + state["classifier.0.bias"]
    return fc6, fc7, fc8, torch.exp(fc8) / torch.exp(fc8).sum(1, keepdim=True)


def pixels(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()


def close(found, expected, tolerance=1e-5):
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(np.asarray(expected)).max())


def test_every_layer_equals_the_written_out_forward(network, space, state, images):
    x = pixels(images[0])
    with torch.no_grad():
        fc6, fc7, fc8, probabilities = written_out(x, state)
        close(network.layer(x, "fc6"), fc6)
        close(network.layer(x, "fc7"), fc7)
        close(network.layer(x, "fc8"), fc8)
        close(network(x), probabilities)
    close(space.extract([images[0]]), fc7)
    assert fc7.min() < 0 < fc7.max()  # before the ReLU


def test_published_names_and_shapes(network):
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    expected = {f"{name}.weight": shape for name, shape in SHAPES.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in SHAPES.items()}
    assert found == expected


def test_a_relu_in_place_does_not_reach_fc7(state, images):
    """The published network leaves room for a ReLU that overwrites its input."""
    network = EmoNet()
    network.load_state_dict(state)
    network.conv_6[1] = torch.nn.ReLU(inplace=True)
    kept = []
    network.conv_6[0].register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    fc7 = emonet_space(network).extract([images[0]])
    with torch.no_grad():
        network.conv_6(torch.relu(network.layer(pixels(images[0]), "fc6"))[:, :, None, None])
    assert kept[-1].min() == 0  # a naive hook sees what the ReLU left
    with torch.no_grad():
        close(fc7, written_out(pixels(images[0]), state)[1])


def test_forward_gives_what_extract_gives_and_gradients(space, images):
    found = space.extract([images[0], images[1], np.repeat(images[2][:, :, None], 3, 2)])
    close(space.extract([images[2]])[0], found[2])  # grey is repeated
    for image, row in zip(images[:2], found, strict=False):
        tensor = (pixels(image) / 255).requires_grad_()
        features = space.forward(tensor)
        close(features.detach()[0], row)
        features[0, :5].sum().backward()
        assert tensor.grad.abs().sum() > 0
    assert all(weights.grad is None for weights in space.network.parameters())
    assert space.dimension == 4096
    assert space.image_size == 227


def test_images_are_resized_bicubically_with_values_of_0_to_255(space, images):
    """Pillow's bicubic filter on unrounded values, cut to 0-255 as 8-bit images are."""
    found = space.preprocessing.apply(pixels(images[1]) / 255)[0].numpy()
    for plane, given in zip(found, images[1].transpose(2, 0, 1), strict=True):
        image = Image.fromarray(given.astype(np.float32))
        expected = np.asarray(image.resize((227, 227), Image.Resampling.BICUBIC)).clip(0, 255)
        np.testing.assert_allclose(plane, expected, atol=0.01)


def test_mean_and_scale_belong_to_the_space(network, images, tmp_path):
    rng = generator(3, "mean image")
    mean = rng.uniform(80, 140, (227, 227, 3)).astype(np.float32)
    np.save(tmp_path / "mean.npy", mean)
    plain = emonet_space(network)
    numbers = emonet_space(network, mean=np.array([123.0, 117.0, 104.0], np.float32))
    image = emonet_space(network, mean=mean, scale=0.5)
    assert len({plain.digest, numbers.digest, image.digest}) == 3
    assert numbers.describe()["preprocessing"]["mean"] == [123.0, 117.0, 104.0]
    assert plain.describe()["preprocessing"] == {
        "size": 227,
        "filter": "bicubic, antialiased",
        "aspect": "lost",
        "grey": "repeated to three channels",
        "range": 255.0,
        "mean": None,
        "std": None,
        "scale": 1.0,
    }
    prepared = image.preprocessing.apply(pixels(images[0]) / 255)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(prepared, (images[0] - mean) * 0.5, atol=1e-4)
    with pytest.raises(InputError, match="mean: has shape"):
        emonet_space(network, mean=mean[:100])


def small_state(value=0.0):
    """Published names and shapes, every number the same and stored once: files of it are small."""
    shapes = {f"{name}.weight": shape for name, shape in SHAPES.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in SHAPES.items()}
    return {name: torch.tensor(value).expand(shape) for name, shape in shapes.items()}


def test_weights_load_from_every_kind_of_file(state, space, tmp_path):
    save_file(state, tmp_path / "emonet.safetensors")
    found = open_space(EmonetSpec(kind="emonet", weights=str(tmp_path / "emonet.safetensors")))
    assert found.digest == space.digest
    assert found.name == "emonet-fc7"
    (tmp_path / "emonet.safetensors").unlink()
    torch.save({"epoch": 3, "state_dict": small_state(0.5)}, tmp_path / "emonet.pth")
    found = open_space(EmonetSpec(kind="emonet", weights=str(tmp_path / "emonet.pth"), layer="fc8"))
    assert found.dimension == 20
    assert all(bool((value == 0.5).all()) for value in found.network.state_dict().values())


def test_one_error_names_all_that_does_not_fit(tmp_path):
    wrong = {name: value for name, value in small_state().items() if not name.startswith("conv_5.")}
    wrong["conv_1.0.weight"] = torch.zeros(256, 96, 5, 5)
    wrong["features.0.weight"] = wrong.pop("conv_0.0.weight")
    torch.save(wrong, tmp_path / "wrong.pt")
    with pytest.raises(InputError) as raised:
        load_emonet(tmp_path / "wrong.pt")
    message = str(raised.value)
    assert "missing: conv_0.0.weight, conv_5.0.weight, conv_5.0.bias" in message
    assert "unexpected: features.0.weight" in message
    assert "conv_1.0.weight has shape (256, 96, 5, 5), not (256, 48, 5, 5)" in message


def test_weights_that_are_none_or_hold_code_are_refused(tmp_path):
    class Code:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"conv_0.0.weight": Code()}, tmp_path / "code.pt")
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    torch.save({"a": torch.zeros(1), "epoch": 3}, tmp_path / "mixed.pt")
    (tmp_path / "broken.pth").write_bytes(b"PK\x03\x04 not a zip")
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 20)
    for name, problem in {
        "code.pt": "cannot be read",
        "list.pt": "holds a list",
        "mixed.pt": "epoch are no tensors",
        "broken.pth": "cannot be read",
        "broken.safetensors": "cannot be read",
        "absent.pt": "is no file of weights",
    }.items():
        with pytest.raises(InputError, match=problem) as raised:
            load_emonet(tmp_path / name)
        assert name in str(raised.value)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    bias = torch.zeros(20)
    bias[3] = torch.nan
    torch.save({**small_state(), "classifier.0.bias": bias}, tmp_path / "nan.pt")
    with pytest.raises(InputError, match=r"classifier\.0\.bias hold values that are not finite"):
        load_emonet(tmp_path / "nan.pt")
