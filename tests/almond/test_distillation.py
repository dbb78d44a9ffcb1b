"""Guidance distilled into low-rank adapters, on a tiny pipeline of the real classes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from almond.chain.distil import load_denoiser
from almond.cli.main import main
from almond.encoding.features.kinds.world import open_world
from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.distillation.config import parse_distil_config
from almond.guidance.distillation.guided_steps import guided_steps
from almond.guidance.distillation.lora import ATTENTION, SliderAdapter
from almond.guidance.distillation.report import Course, shift_kept
from almond.guidance.distillation.slider import SliderGenerator, load_slider, save_slider
from almond.guidance.distillation.train import fit_slider
from almond.guidance.distillation.world_judge import WorldJudge
from almond.guidance.schedule import Window
from almond.progress import Silent
from almond.rng import generator as random_generator
from almond.targets.target import save_target, standardised_target
from almond.world.scenes import draw_scene, render_many
from tests.almond.test_guidance_diffusion import Brightness, make_folder, recipe_for, run

WINDOW = Window(0.1, 0.8)
LAYERS = (*ATTENTION, "conv1", "conv2")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> DiffusionGenerator:
    torch.set_num_threads(1)
    folder = make_folder(tmp_path_factory.mktemp("models") / "tiny")
    return load_folder(folder, name=str(folder))


def slider_of(tiny: DiffusionGenerator, *targets: str) -> SliderGenerator:
    """A slider whose weights are random on both sides, so that its dials do something."""
    torch.manual_seed(3)
    slider = SliderGenerator(tiny, targets, rank=2, layers=LAYERS, window=WINDOW)
    for weight in slider.lora.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return slider


def output_of(unet: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    x, states = torch.randn(2, 4, 8, 8, generator=generator), torch.randn(2, 7, 16, generator=generator)
    with torch.no_grad():
        found: torch.Tensor = unet(x, torch.tensor([300.0, 300.0]), encoder_hidden_states=states).sample
    return found


def test_dials_add_low_rank_changes_to_the_weights(tiny: DiffusionGenerator) -> None:
    slider = slider_of(tiny, "red", "bright")
    slider.lora.turn({"red": 0.7, "bright": -1.5})
    merged = copy.deepcopy(tiny.denoiser)
    layers = dict(merged.named_modules())
    states = {target: slider.lora.state(target) for target in ("red", "bright")}
    names = {key.removeprefix("unet.").rpartition(".lora_")[0] for key in states["red"]}
    assert len(names) == len(slider.lora.layers) > 20
    for name in names:
        for target, dial in (("red", 0.7), ("bright", -1.5)):
            down = states[target][f"unet.{name}.lora_A.weight"]
            up = states[target][f"unet.{name}.lora_B.weight"]
            product = (up.flatten(1) @ down.flatten(1)).view_as(layers[name].weight)
            layers[name].weight.data += dial * product
    torch.testing.assert_close(output_of(slider.base.denoiser), output_of(merged), rtol=1e-4, atol=1e-5)
    assert float((output_of(merged) - output_of(tiny.denoiser)).abs().max()) > 0.01


def test_at_zero_and_outside_the_window_it_is_the_generator_itself(tiny: DiffusionGenerator) -> None:
    slider = slider_of(tiny, "red")
    assert torch.equal(output_of(slider.base.denoiser), output_of(tiny.denoiser))
    slider.turn({"red": 1.0})
    condition, moved = tiny.encode_prompt("a room", [1]), []
    for step in tiny.scheduler.start(12).steps:
        x = tiny.initial_latent(1)[None]
        same = torch.equal(slider.predict(x, step, condition).x0, tiny.predict(x, step, condition).x0)
        assert same != WINDOW.holds(step.level.alpha_bar)
        moved.append(not same)
    assert any(moved)
    assert not all(moved)


def test_unknown_dials_and_layers_are_refused(tiny: DiffusionGenerator) -> None:
    with pytest.raises(InputError, match="names blue"):
        slider_of(tiny, "red").turn({"blue": 1.0})
    with pytest.raises(InputError, match="no layer ends in nothing"):
        SliderAdapter(copy.deepcopy(tiny.denoiser), ["red"], rank=2, layers=["nothing"])
    with pytest.raises(InputError, match="GroupNorm"):
        SliderAdapter(copy.deepcopy(tiny.denoiser), ["red"], rank=2, layers=["norm1"])


def test_guided_steps_are_those_of_the_sampler(tiny: DiffusionGenerator) -> None:
    recipe = recipe_for(tiny)
    kept = guided_steps([recipe], target="red", dial=1.0, generator=tiny, scorer=Brightness())
    (made,) = run(tiny, recipe)
    inside = [entry for entry in made.trace if entry["strength"]]
    assert [item.step.index for item in kept] == [entry["step"] for entry in inside]
    for item, entry in zip(kept, inside, strict=True):
        with torch.no_grad():
            unguided = tiny.predict(item.x, item.step, item.condition).x0
        shift = float((item.x0 - unguided).square().mean().sqrt())
        assert shift == pytest.approx(entry["shift"], rel=1e-3)
    with pytest.raises(InputError, match="guides at no step"):
        guided_steps(
            [recipe_for(tiny, direction=0)], target="red", dial=0.0, generator=tiny, scorer=Brightness()
        )


def test_training_takes_over_what_guidance_did_and_survives_the_disk(
    tiny: DiffusionGenerator, tmp_path: Path
) -> None:
    items = [
        item
        for direction in (-1, 1)
        for item in guided_steps(
            [recipe_for(tiny, seed=seed, strength=3.0, direction=direction) for seed in (1, 2)],
            target="red",
            dial=float(direction),
            generator=tiny,
            scorer=Brightness(),
        )
    ]
    slider = SliderGenerator(tiny, ["red"], rank=4, layers=LAYERS, window=WINDOW)
    fitting = fit_slider(slider, items, updates=40, rate=3e-2, seed=1, progress=Silent())
    assert fitting.last < 0.6 < fitting.first
    assert not any(weight.requires_grad for weight in slider.base.denoiser.parameters())
    save_slider(tmp_path, slider, facts={})
    loaded = load_slider(tmp_path, tiny)
    reds = []
    for dial in (-1.0, 0.0, 1.0):
        slider.turn({"red": dial})
        loaded.turn({"red": dial})
        assert loaded.digest == slider.digest
        (made,) = run(slider, recipe_for(slider, seed=9, direction=0))
        (again,) = run(loaded, recipe_for(loaded, seed=9, direction=0))
        np.testing.assert_array_equal(made.image, again.image)
        reds.append(made.scores["red"])
    assert reds[0] < reds[1] < reds[2]
    changed = tmp_path / "lora-0.safetensors"
    changed.write_bytes(changed.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DigestMismatch, match="lora-0"):
        load_slider(tmp_path, tiny)


def test_a_slider_belongs_to_its_generator(tiny: DiffusionGenerator, tmp_path: Path) -> None:
    save_slider(tmp_path, slider_of(tiny, "red"), facts={})
    other = copy.copy(tiny)
    other.digest = "0" * 64
    with pytest.raises(DigestMismatch, match="generator"):
        load_slider(tmp_path, other)
    with pytest.raises(InputError, match=r"no slider.*slider\.json"):
        load_slider(tmp_path / "nowhere", tiny)


def test_the_kept_share_is_a_ratio_of_judged_ranges() -> None:
    def courses(low: float, high: float) -> list[Course]:
        return [
            Course("red", dial, shift, 0.0, 0.0, 0.0)
            for dial, shift in ((-1.0, low), (0.5, 9.0), (1.0, high))
        ]

    assert shift_kept(courses(-1.0, 3.0), courses(-0.5, 0.5)) == {"red": 0.25}


def test_the_judge_reads_what_a_target_means() -> None:
    judge = WorldJudge(["SF", "LB"], reference=60)
    rng = random_generator(4, "test")
    pictures = [
        render_many(
            draw_scene(rng, {"presence": presence, "object": thing, "light": "bright"}) for _ in range(6)
        )
        for presence, thing in (("group", "none"), ("nobody", "fire"))
    ]
    people, fires = (
        judge(torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255.0).mean(0) for part in pictures
    )
    assert people[0] - fires[0] > 1.0
    assert fires[1] - people[1] > 1.0
    with pytest.raises(InputError, match="red"):
        WorldJudge(["red"])


def settings_of(folder: Path, tiny: DiffusionGenerator) -> dict[str, Any]:
    rng = random_generator(2, "test")
    space = open_world()
    features = space.extract(list(render_many(draw_scene(rng) for _ in range(12))))
    digest = space.digest
    target = standardised_target(
        "LB", rng.normal(size=(features.shape[1],)), features, feature_space_digest=digest, sources=["test"]
    )
    return {
        "generator": tiny.name,
        "features": "world",
        "targets": [str(save_target(folder, target))],
        "judge": "world",
        "train": {"prompts": ["a person in a room"], "seeds": 2},
        "test": {"prompts": ["a street"], "seeds": 1, "first_seed": 50},
        "output": "out",
        "steps": 4,
        "rank": 2,
        "updates": 3,
    }


def test_one_command_distils_and_reports(
    tiny: DiffusionGenerator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "distil.yaml"
    config.write_text(yaml.safe_dump(settings_of(tmp_path, tiny)))
    assert main(["distil", str(config)]) == 0
    text = capsys.readouterr().out
    assert "1 scenes, prompts and seeds not trained on" in text
    assert text.count("guided   LB") == 2
    assert text.count("slider   LB") == 4
    slider = load_slider(tmp_path / "out", tiny)
    assert list(slider.lora.dials) == ["LB"]


def test_what_cannot_work_is_refused_before_anything_is_drawn(
    tiny: DiffusionGenerator, tmp_path: Path
) -> None:
    values = settings_of(tmp_path, tiny)
    wrong = {
        **values,
        "judge": [*values["targets"], *values["targets"]],
        "test": {"prompts": ["a person in a room"], "seeds": 1},
        "window": [0.5, 0.2],
    }
    with pytest.raises(InputError) as caught:
        parse_distil_config(wrong, tmp_path, source="distil.yaml")
    for problem in (
        "judge: has 2 files",
        "test.prompts: has 'a person in a room'",
        "first_seed",
        "window: is",
    ):
        assert problem in str(caught.value)
    with pytest.raises(InputError, match="analytic has no weights"):
        load_denoiser("analytic")
