"""What the small diffusion model's stage of words draws; nothing is trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from almond.rng import generator
from almond.world.prompts import parse_prompt
from almond.world.scenes import ATTRIBUTES, render
from training.unet import STAGES, drawn_times, velocity_loss
from training.unet_card import read_curve, unet_card
from training.unet_model import noise_schedule
from training.unet_scenes import VARIED, Batch, Emphasis, Variants, encoded


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> Variants:
    torch.set_num_threads(1)
    return Variants(tmp_path_factory.mktemp("work"), 1, 6, step=0, emphasis=Emphasis(near=0.8))


def test_variants_change_one_attribute_and_are_rendered_once(variants: Variants, tmp_path: Path) -> None:
    for group, latents in zip(variants.groups, variants.latents, strict=True):
        for scene, name in zip(group[1:], VARIED, strict=True):
            differing = [key for key in ATTRIBUTES if getattr(scene, key) != getattr(group[0], key)]
            assert differing == [name]
        if group[0].presence != "nobody":
            assert np.array_equal(latents[3], encoded([group[3]]).numpy()[0])
            assert not np.array_equal(render(group[0]), render(group[4]))


def test_what_is_seen_differs_from_the_caption_in_named_attributes_only(variants: Variants) -> None:
    group = variants.groups[0]
    sources = {variants._source(group, 1, "a person smiling in a room") for _ in range(60)}
    assert sources == {
        index
        for index, scene in enumerate(group)
        if all(getattr(scene, name) == getattr(group[1], name) for name in ("gaze", "posture", "object"))
    }
    assert len(sources) > 1
    assert {variants._source(group, 4, "a person near") for _ in range(20)} == {4}
    batch = variants.draw(np.ones(40, np.bool_))
    for seen, clean, words in zip(batch.seen, batch.clean, batch.captions, strict=True):
        if not torch.equal(seen, clean):
            assert {"expression", "gaze", "posture", "object"} & set(parse_prompt(words).fixed)
    assert any(not torch.equal(seen, clean) for seen, clean in zip(batch.seen, batch.clean, strict=True))
    plain = variants.draw(np.zeros(20, np.bool_))
    assert torch.equal(plain.seen, plain.clean)


def test_errors_count_most_where_expressions_differ(variants: Variants) -> None:
    batch = variants.draw(np.zeros(30, np.bool_))
    assert set(batch.weights.unique().tolist()) <= {1.0, 3.0, 33.0}
    assert float((batch.weights > 1.0).float().mean()) < 0.5


def test_the_velocity_leads_to_the_clean_latent() -> None:
    schedule, times = noise_schedule(), torch.tensor([100, 700])
    seen = torch.randn(2, 16, 24, 24, generator=torch.Generator().manual_seed(1))
    swapped = seen + 1.0
    abar = schedule.alphas_cumprod[times].view(-1, 1, 1, 1)

    def exact(clean: torch.Tensor) -> Any:
        def model(noisy: torch.Tensor, times: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
            noise = (noisy - abar.sqrt() * seen) / (1.0 - abar).sqrt()
            if clean is seen:
                return abar.sqrt() * noise - (1.0 - abar).sqrt() * seen
            return (abar.sqrt() * noisy - clean) / (1.0 - abar).sqrt()

        return model

    weights, numbers = torch.ones(2, 1, 24, 24), torch.zeros(2, 24, dtype=torch.long)
    for clean in (seen, swapped):
        batch = Batch(seen, clean, weights, ["", ""])
        loss = velocity_loss(exact(clean), schedule, batch, times, numbers)
        assert float(loss) < 1e-9
    assert (
        float(velocity_loss(exact(seen), schedule, Batch(seen, swapped, weights, []), times, numbers)) > 0.1
    )


def test_times_are_spread_evenly_with_the_share_of_high_noise() -> None:
    rng = generator(1, "test")
    words = np.concatenate([drawn_times(STAGES["words"], rng) for _ in range(50)])
    assert words.min() >= 0
    assert words.max() <= 999
    assert np.mean(words >= STAGES["words"].from_time) == pytest.approx(STAGES["words"].high, abs=0.03)
    scenes = [drawn_times(STAGES["scenes"], rng) for _ in range(4)]
    for times in scenes:
        assert np.array_equal(np.sort(times * 32 // 1000), np.arange(32))


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
