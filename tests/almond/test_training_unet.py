"""What the small diffusion model's stage *teacher* draws and aims at; nothing is trained here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from almond.guidance.backends.posterior import Bank, Locality, posterior_mean
from almond.guidance.levels import variance_preserving
from almond.rng import generator
from almond.world.prompts import parse_prompt
from almond.world.scenes import draw_scene, render_many
from training.unet import velocity_loss
from training.unet_balance import balanced, gradient_lengths
from training.unet_captions import NAMED, OTHER_WORDS, drawn_caption, likelihoods
from training.unet_card import read_curve, unet_card
from training.unet_families import Family, encoded, family_of
from training.unet_lessons import STAGES, drawn_times
from training.unet_model import noise_schedule
from training.unet_scenes import Batch
from training.unet_teacher import TaughtBatch, Teacher, taught_errors

ABAR = noise_schedule().alphas_cumprod
LESSONS = {lesson.name: lesson for lesson in STAGES["teacher"].lessons}


@pytest.fixture(scope="module")
def family() -> Family:
    torch.set_num_threads(1)
    fixed = {"presence": "one", "distance": "near", "light": "night", "texture": "plain"}
    return family_of(draw_scene(generator(1, "family"), fixed), ["none", "fire", "dog"])


@pytest.fixture(scope="module")
def teacher(family: Family) -> Teacher:
    found = Teacher(generator(1, "teacher"), ABAR, size=0)
    found.families = [family] * 4
    return found


def test_a_family_is_what_the_renderer_draws(family: Family) -> None:
    assert len(set(family.scenes)) == len(family.scenes) == 75
    chosen = [1, 7, 24, 25, 30, 50, 51, 60, 74]
    drawn = encoded(render_many([family.scenes[index] for index in chosen])).float()
    error = (family.latents[chosen].float() - drawn).square().mean((1, 2, 3))
    assert float(error.max()) < 0.02  # at the object's edge, which the renderer smooths
    objects = [scene.object for scene in family.scenes]
    by_object = {name: family.prior[[each == name for each in objects]].sum() for name in set(objects)}
    assert by_object == pytest.approx({"none": 0.3, "fire": 0.35, "dog": 0.35})


def test_the_target_is_the_posterior_mean(family: Family) -> None:
    level = variance_preserving(0.01)
    x = torch.randn(16, 24, 24, generator=torch.Generator().manual_seed(2)) + 0.1 * family.latents[3].float()
    given = likelihoods(["", "an angry person with a dog"], family.scenes)
    found = family.posterior_means(x, level, given)
    for mean, likelihood in zip(found, given, strict=True):
        kept = likelihood > 0
        # each scene a group of its own, the window the whole picture, no temperature
        bank = Bank.of(family.latents[kept].float(), torch.tensor((family.prior * likelihood)[kept]))
        exact = posterior_mean(x[None], bank, level, Locality(((1.0, 0),), 1.0, 1.0))[0]
        assert torch.allclose(mean, exact, atol=2e-3)


def test_captions_say_the_same_in_other_words(family: Family) -> None:
    rng = generator(3, "scenes")
    said = [
        (scene, drawn_caption(scene, seed)) for seed, scene in enumerate(draw_scene(rng) for _ in range(300))
    ]
    for scene, text in said:
        assert all(getattr(scene, name) == value for name, value in parse_prompt(text).fixed.items())
        assert not parse_prompt(text).ignored
    texts = " ".join(text for _, text in said)
    assert all(any(other in texts for other in others) for others in OTHER_WORDS.values())
    found = likelihoods(["", "a person in a room"], family.scenes)
    assert np.all(found[0] == 1.0)
    for scene, chance in zip(family.scenes, found[1], strict=True):
        fits = scene.presence == "one" and scene.place == "room"
        assert chance == pytest.approx(fits * (1.0 if scene.object == "none" else 1.0 - NAMED))


def drawn(teacher: Teacher, lesson: str, count: int) -> TaughtBatch:
    chosen = dataclasses.replace(LESSONS[lesson], batch=count)
    return teacher.draw(chosen, drawn_times(chosen, teacher.rng))


def test_pairs_differ_in_what_the_lesson_changes(teacher: Teacher) -> None:
    for name in ("faces", "pairs"):
        batch, changes = drawn(teacher, name, 12), {each for each, _ in LESSONS[name].changed}
        assert batch.noisy.shape == (12, 16, LESSONS[name].side, LESSONS[name].side)
        difference = (batch.clean[0] - batch.clean[1]).square().mean((1, 2, 3))
        # where the noisy latent shows an object that the second caption only leaves out, nothing differs
        assert float(difference.median()) > 1e-2
        for first, second in zip(*batch.captions, strict=True):
            one, other = parse_prompt(first).fixed, parse_prompt(second).fixed
            differing = {each for each in one | other if one.get(each) != other.get(each)}
            assert differing & changes
            assert len(differing) == 1 or "presence" in differing
    single = drawn(teacher, "pictures", 8)
    assert single.clean.shape == (1, 8, 16, 24, 24)


def test_ignored_words_cost_the_whole_difference(teacher: Teacher) -> None:
    batch = drawn(teacher, "pairs", 3)
    level = ABAR[batch.times].view(-1, 1, 1, 1)
    exact = (level.sqrt() * batch.noisy - batch.clean) / (1.0 - level).sqrt()
    middle = exact.mean(0)

    def errors(found: torch.Tensor, batch: TaughtBatch = batch) -> list[float]:
        return [float(error) for error in taught_errors(lambda *_: found, batch, ABAR)]

    both = torch.cat([exact[0], exact[1]])
    assert errors(both) == pytest.approx([0.0, 0.0], abs=1e-9)
    assert errors(both + 1.0) == pytest.approx([1.0, 0.0], abs=1e-5)
    assert errors(torch.cat([middle, middle])) == pytest.approx([0.0, 1.0], abs=1e-5)
    single = dataclasses.replace(batch, clean=batch.clean[:1], captions=batch.captions[:1])
    assert errors(exact[0] + 1.0, single) == pytest.approx([1.0], abs=1e-5)


def test_small_differences_count_beside_large_ones(teacher: Teacher) -> None:
    batch = drawn(teacher, "pairs", 2)
    clean = torch.zeros(2, 2, 16, 24, 24)
    clean[1, 0], clean[1, 1] = 1.0, 0.1
    batch = dataclasses.replace(batch, clean=clean, times=torch.tensor([700, 700]))
    level = ABAR[700]
    exact = (level.sqrt() * batch.noisy - clean) / (1.0 - level).sqrt()
    wrong = torch.stack([exact[0], torch.stack([exact[1, 0], exact[0, 1]])])  # the second words are ignored
    found = float(taught_errors(lambda *_: wrong.flatten(0, 1), batch, ABAR)[1])
    share = 0.01 / (1.0 + 0.01)  # of the square of what differs
    assert 5.0 * share < found < 0.5


def test_a_difference_pulls_as_far_as_what_is_shared() -> None:
    values = torch.ones(3, requires_grad=True)
    unused = torch.ones(1, requires_grad=True)
    lengths = gradient_lengths((values.sum(), 1e-3 * values[0]), [values, unused])
    assert lengths.tolist() == pytest.approx([3**0.5, 1e-3])
    first = balanced(None, lengths)
    assert gradient_lengths((first * 1e-3 * values[0],), [values])[0] == pytest.approx(3**0.5)
    assert balanced(1.0, torch.tensor([1024.0, 1.0])) == pytest.approx(8.0)


def test_the_velocity_leads_to_the_clean_latent() -> None:
    times = torch.tensor([100, 700])
    clean = torch.randn(2, 16, 24, 24, generator=torch.Generator().manual_seed(1))
    abar = ABAR[times].view(-1, 1, 1, 1)

    def exact(noisy: torch.Tensor, times: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return (abar.sqrt() * noisy - clean) / (1.0 - abar).sqrt()

    numbers = torch.zeros(2, 24, dtype=torch.long)
    loss = velocity_loss(exact, noise_schedule(), Batch(clean, ["", ""]), times, numbers)
    assert float(loss) < 1e-9
    wrong = velocity_loss(exact, noise_schedule(), Batch(clean + 1.0, ["", ""]), times, numbers)
    assert float(wrong) > 0.1


def test_times_are_spread_evenly_over_a_lesson() -> None:
    rng = generator(1, "test")
    for lesson in (lesson for stage in STAGES.values() for lesson in stage.lessons):
        first, last = lesson.times
        places = (drawn_times(lesson, rng) - first) * lesson.batch / (last - first)
        assert np.all(np.abs(np.sort(places) - np.arange(lesson.batch) - 0.5) <= 0.55)


def test_the_card_says_what_was_recorded(tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    curve.write_text("".join(f"{20 * row},{320 * row},{row}.5,{row}.25,0.{row}\n" for row in range(1, 30)))
    rows = read_curve(curve)
    assert len(rows) == 8
    assert rows[0] == [20, 320, 1.5, 1.25, 0.1]
    assert rows[-1][0] == 580
    text = unet_card(
        [{"stage": "words", "steps": 580, "minutes": 29.5, "machine": "a processor", "curve": rows}]
    )
    assert "| words | 580 | not recorded | 29.5 | not recorded | not recorded | a processor |" in text
    assert "| 580 | 9280 | 29.5 | 29.25 | 0.29 |" in text
