"""Scenes: drawing, pictures, latents, and the codec of their patches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from almond.digest import digest_array
from almond.errors import DigestMismatch, InputError
from almond.rng import generator
from almond.world.patches import PatchCodec, fit_codec, load_codec
from almond.world.scenes import (
    ALL_ATTRIBUTES,
    LATENTS,
    PERSON_ATTRIBUTES,
    Scene,
    draw_scene,
    latents,
    render,
    render_many,
)
from almond.world.weights import checked, record


def scene_like(**changes: str) -> Scene:
    scene = draw_scene(generator(3, "plain"), layout_seed=11)
    plain = {"tint": "neutral", "texture": "plain", "contrast": "normal", "light": "bright", "place": "room"}
    shown = {"presence": "one", "distance": "near", "posture": "standing", "expression": "neutral"}
    return dataclasses.replace(scene, **(plain | shown | {"gaze": "direct", "object": "none"} | changes))


def changed(first: Scene, second: Scene) -> np.ndarray:
    """(96, 96) where the two pictures differ by more than rounding."""
    difference = render(first).astype(int) - render(second).astype(int)
    return np.abs(difference).max(2) > 2


def test_drawing_is_deterministic():
    first = [draw_scene(generator(1, "scenes")) for _ in range(2)]
    assert first[0] == first[1]
    assert digest_array(render(first[0])) == digest_array(render(first[1]))


def test_fixing_attributes_changes_nothing_else():
    free = draw_scene(generator(2, "scenes"))
    fixed = draw_scene(generator(2, "scenes"), {"object": "fire", "light": "night"})
    assert dataclasses.replace(free, object="fire", light="night") == fixed


def test_every_value_is_drawn():
    rng = generator(4, "scenes")
    scenes = [draw_scene(rng) for _ in range(400)]
    for name, values in ALL_ATTRIBUTES.items():
        assert {getattr(scene, name) for scene in scenes} == set(values)


def test_unknown_attributes_and_values_are_refused():
    with pytest.raises(InputError, match="weather"):
        draw_scene(generator(1), {"weather": "rain"})
    with pytest.raises(InputError, match=r"scene\.light.*'noon'.*bright, dim, night"):
        draw_scene(generator(1), {"light": "noon"})


def test_json_round_trip_and_missing_fields():
    scene = draw_scene(generator(5, "scenes"))
    assert Scene.from_json(scene.to_json()) == scene
    with pytest.raises(InputError, match="place"):
        Scene.from_json({"light": "dim"})


def test_every_value_of_every_attribute_can_be_seen():
    """Changing any one attribute changes the picture, and each value gives another picture."""
    for name, values in ALL_ATTRIBUTES.items():
        pictures = {digest_array(render(scene_like(**{name: value}))) for value in values}
        assert len(pictures) == len(values), name


def test_pictures_have_the_size_and_use_the_range():
    rng = generator(6, "scenes")
    pictures = render_many(draw_scene(rng) for _ in range(40))
    assert pictures.shape == (40, 96, 96, 3)
    assert pictures.dtype == np.uint8
    assert pictures.std((1, 2, 3)).min() > 12, "a picture without contrast"
    assert render(draw_scene(rng), 64).shape == (64, 64, 3)
    assert render_many([]).shape == (0, 96, 96, 3)


@pytest.mark.parametrize("value", ["snake", "knife", "dog", "flowers"])
def test_an_object_changes_only_its_own_place(value):
    where = changed(scene_like(), scene_like(object=value))
    assert 0.01 < where.mean() < 0.2
    columns = np.flatnonzero(where.any(0))
    assert columns.max() - columns.min() < 60, "the object spreads over the picture"
    assert not where[:35].any(), "objects stand on the ground"


def test_fire_lights_its_surroundings_but_not_the_far_corner():
    where = changed(scene_like(), scene_like(object="fire"))
    assert 0.03 < where.mean() < 0.6
    assert not where[:10].any()


@pytest.mark.parametrize(("name", "value"), [("expression", "fear"), ("gaze", "averted")])
def test_faces_change_only_inside_the_head(name, value):
    where = changed(scene_like(), scene_like(**{name: value}))
    rows, columns = np.nonzero(where)
    assert 15 < where.sum() < 900
    assert rows.max() - rows.min() < 36
    assert columns.max() - columns.min() < 36


def test_a_face_is_a_few_pixels_even_far_away():
    near = changed(scene_like(), scene_like(expression="anger")).sum()
    far = changed(scene_like(distance="far"), scene_like(distance="far", expression="anger")).sum()
    assert near > far > 20


def test_night_is_darker_but_legible():
    day, dusk, night = (render(scene_like(light=light)).mean() for light in ("bright", "dim", "night"))
    assert day > dusk > night > 35
    where = changed(scene_like(light="night", presence="nobody"), scene_like(light="night"))
    assert where.mean() > 0.1, "the person can be told from the room"


def test_persons_attributes_do_not_show_when_nobody_is_there():
    empty = scene_like(presence="nobody")
    for name in PERSON_ATTRIBUTES:
        for value in ALL_ATTRIBUTES[name]:
            other = dataclasses.replace(empty, **{name: value})
            assert not changed(empty, other).any()
            assert (latents(empty) == latents(other)).all()


def test_latents_name_what_is_there():
    assert len(LATENTS) == 16
    scene = scene_like(object="knife", place="street", light="night", expression="fear", tint="warm")
    found = dict(zip(LATENTS, latents(scene), strict=True))
    ones = {"threat", "nearness", "fear", "direct_gaze", "darkness", "outdoors", "warmth"}
    assert {name for name, value in found.items() if value == 1.0} == ones
    assert found["presence"] == 0.6
    assert found["contrast"] == 0.5
    assert all(found[name] == 0.0 for name in set(LATENTS) - ones - {"presence", "contrast"})


def test_latents_of_nobody_and_of_groups():
    empty = dict(zip(LATENTS, latents(scene_like(presence="nobody")), strict=True))
    assert empty["nearness"] == empty["direct_gaze"] == empty["presence"] == 0.0
    group = dict(zip(LATENTS, latents(scene_like(presence="group", distance="far")), strict=True))
    assert (group["presence"], group["nearness"]) == (1.0, 0.4)


def test_latents_stay_in_range():
    rng = generator(8, "scenes")
    values = np.array([latents(draw_scene(rng)) for _ in range(300)])
    assert values.min() == 0.0
    assert values.max() == 1.0
    assert (values.std(0) > 0.1).all(), "a latent that never varies"


def fresh_images(count: int) -> torch.Tensor:
    rng = generator(9, "codec-test")
    pictures = render_many(draw_scene(rng) for _ in range(count))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0


def test_the_codec_keeps_pictures():
    images, codec = fresh_images(40), load_codec()
    coded = codec.encode(images)
    assert coded.shape == (40, 16, 24, 24)
    assert 0.8 < coded.square().mean() < 1.25
    error = (codec.decode(coded).clamp(0, 1) - images).square().mean()
    assert -10 * torch.log10(error) > 31.0


def test_coding_again_loses_nothing_more():
    """A projection: what the codec has decoded once, it codes to the same latents."""
    codec = load_codec()
    coded = codec.encode(fresh_images(4))
    torch.testing.assert_close(codec.encode(codec.decode(coded)), coded, atol=1e-4, rtol=1e-4)


def test_the_codec_is_principal_components():
    """Against numpy's singular value decomposition of the same patches."""
    images = fresh_images(12)
    codec = fit_codec(images, 5)
    rows = torch.nn.functional.pixel_unshuffle(images * 2 - 1, 4).permute(0, 2, 3, 1).reshape(-1, 48).numpy()
    _, _, right = np.linalg.svd(rows.astype(np.float64) - rows.mean(0), full_matrices=False)
    overlap = np.abs(right[:5] @ codec.basis.numpy())
    np.testing.assert_allclose(np.diag(overlap), 1.0, atol=1e-3)


def test_gradients_pass_through_the_codec():
    codec = load_codec()
    coded = torch.zeros(1, 16, 24, 24, requires_grad=True)
    codec.decode(coded).sum().backward()
    assert coded.grad is not None
    assert coded.grad.abs().sum() > 0
    assert isinstance(codec, PatchCodec)
    assert not any(value.requires_grad for value in codec.buffers())


def test_changed_weights_are_refused(tmp_path):
    (tmp_path / "thing.safetensors").write_bytes(b"as trained")
    record("thing.safetensors", tmp_path)
    assert checked("thing.safetensors", tmp_path).read_bytes() == b"as trained"
    (tmp_path / "thing.safetensors").write_bytes(b"as tampered")
    with pytest.raises(DigestMismatch, match=r"thing\.safetensors"):
        checked("thing.safetensors", tmp_path)


def test_unrecorded_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"digests\.json.*is missing"):
        checked("thing.safetensors", tmp_path)
    (tmp_path / "thing.safetensors").write_bytes(b"one")
    record("thing.safetensors", tmp_path)
    with pytest.raises(InputError, match="no such weights"):
        checked("another.safetensors", tmp_path)
