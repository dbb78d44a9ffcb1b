"""Every family of pipelines: our loop's unguided latents are the pipeline's own, and only the right ones are.

Tiny pipelines of the real classes are saved and loaded again; after four steps the largest difference must be
below 1e-4 of the latents' RMS. Each way to call a family wrongly must fail the same comparison.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from almond.guidance.backends.base import TEXT, TEXT_ONCE, rms
from almond.guidance.backends.diffusers_scheduler import (
    EXPLODING,
    PRESERVING,
    PRESERVING_BY_SIGMA,
)
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.families.transformer import even_sigmas
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.sampler import generate
from tests.almond.test_guidance_diffusion import Brightness, recipe_for
from tests.almond.tiny_pipelines import save_pipeline

PROMPT, STEPS, SEED = "a red house at night", 4, 7
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """How a tiny folder is opened, and with what its own pipeline is called."""

    call: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    schedulers: tuple[str, ...] = ()
    layout: str = "plain"


CASES = {
    "sd15": Case({"guidance_scale": 7.5}, schedulers=("EulerDiscreteScheduler", "UniPCMultistepScheduler")),
    "sd21": Case(
        {"guidance_scale": 7.5}, schedulers=("EulerDiscreteScheduler", "DPMSolverMultistepScheduler")
    ),
    "sdxl": Case({"guidance_scale": 5.0}, schedulers=(*EXPLODING, *PRESERVING, *PRESERVING_BY_SIGMA)),
    "sdxl-turbo": Case({"guidance_scale": 0.0}, {"scale": 1.0}),
    "sdxl-lcm": Case({"guidance_scale": 8.0}),
    "sd3": Case({"guidance_scale": 7.0}, schedulers=("FlowMatchHeunDiscreteScheduler",)),
    "sd3-dynamic": Case({"guidance_scale": 7.0}),
    "sd3-short": Case({"guidance_scale": 7.0}),
    "flux-dev": Case({"guidance_scale": 3.5}, {"size": 16}, layout="packed"),
    "flux-dev-cfg": Case(
        {"guidance_scale": 3.5, "true_cfg_scale": 3.0, "negative_prompt": ""},
        {"size": 16, "scale": 3.0},
        layout="packed",
    ),
    "flux-schnell": Case({"guidance_scale": 0.0}, {"size": 16}, layout="packed"),
    "pixart": Case({"guidance_scale": 4.5, "use_resolution_binning": False}),
    "sana": Case({"guidance_scale": 4.5, "use_resolution_binning": False}),
    "z-image": Case({"guidance_scale": 5.0}, {"size": 16}),
    "qwen-image": Case({"true_cfg_scale": 4.0, "negative_prompt": ""}, {"size": 32}, layout="packed"),
    "flux2-klein": Case({"guidance_scale": 4.0}, {"size": 32}, layout="patchified"),
    "lumina2": Case({"guidance_scale": 4.0}),
}

PAIRS = [(name, scheduler) for name, case in CASES.items() for scheduler in (None, *case.schedulers)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity_error()
    return tmp_path_factory.mktemp("families")


def opened(home: Path, name: str, scheduler: str | None = None, **changes: Any) -> DiffusionGenerator:
    folder = save_pipeline(name.removesuffix("-cfg"), home)
    return load_folder(folder, name=name, scheduler=scheduler, **{**CASES[name].settings, **changes})


def latents_of(generator: DiffusionGenerator) -> torch.Tensor:
    """The unguided loop: what the sampler does, without decoding."""
    trajectory = generator.scheduler.start(STEPS)
    condition = generator.encode_prompt(PROMPT, [SEED])
    noise = [torch.Generator().manual_seed(5)]
    x = generator.initial_latent(SEED)[None] * trajectory.initial_scale
    with torch.no_grad():
        for step in trajectory.steps:
            x = trajectory.advance(x, generator.predict(x, step, condition).x0, step, noise)
    return x


@cache
def read_pipe(home: Path, name: str) -> Any:
    absent = {"text_encoder_3": None, "tokenizer_3": None} if name == "sd3-short" else {}
    pipe = diffusers.DiffusionPipeline.from_pretrained(home / name.removesuffix("-cfg"), **absent)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def own_pipe(home: Path, name: str) -> Any:
    """The family's pipeline as diffusers reads it, with the scheduler of its folder."""
    pipe = read_pipe(home, name)
    kind = json.loads((home / name.removesuffix("-cfg") / "scheduler" / "scheduler_config.json").read_text())
    pipe.scheduler = getattr(diffusers, kind["_class_name"]).from_config(kind)
    return pipe


def own_result(
    home: Path, name: str, scheduler: str | None, noise: torch.Tensor, output: str
) -> tuple[Any, torch.Tensor, int]:
    """The pipeline, what it makes of the same noise (``output``: latent or pt), and its side in pixels."""
    case = CASES[name]
    pipe = own_pipe(home, name)
    if scheduler:
        config = {"clip_sample": False, **pipe.scheduler.config}
        pipe.scheduler = getattr(diffusers, scheduler).from_config(config)
    factor = pipe.vae_scale_factor * (2 if case.layout == "patchified" else 1)
    side = noise.shape[-1] * factor
    packed = case.layout == "packed"
    start = pipe._pack_latents(noise, *noise.shape) if packed else noise.clone()
    made: torch.Tensor = pipe(
        prompt=PROMPT,
        height=side,
        width=side,
        num_inference_steps=STEPS,
        latents=start,
        output_type=output,
        generator=torch.Generator().manual_seed(5),
        **case.call,
    ).images
    return pipe, made, side


def own_latents(home: Path, name: str, scheduler: str | None, noise: torch.Tensor) -> torch.Tensor:
    """The pipeline's own latents, as the loop keeps them."""
    case = CASES[name]
    pipe, latents, side = own_result(home, name, scheduler, noise, "latent")
    if case.layout == "packed":
        latents = pipe._unpack_latents(latents, side, side, pipe.vae_scale_factor)
        return latents[:, :, 0] if latents.ndim == 5 else latents
    if case.layout == "patchified":  # the pipeline gives latents of the autoencoder, normalised no more
        bn = pipe.vae.bn
        spread = (bn.running_var + pipe.vae.config.batch_norm_eps).sqrt()[None, :, None, None]
        return (pipe._patchify_latents(latents) - bn.running_mean[None, :, None, None]) / spread
    return latents


OWN: dict[tuple[str, str | None], torch.Tensor] = {}


def difference(home: Path, generator: DiffusionGenerator, scheduler: str | None = None) -> float:
    """The largest difference to the pipeline's own latents, over their RMS."""
    key = (generator.name, scheduler)
    ours = latents_of(generator)
    if key not in OWN:
        OWN[key] = own_latents(home, generator.name, scheduler, generator.initial_latent(SEED)[None])
    return float((ours - OWN[key]).abs().max() / rms(OWN[key]))


@pytest.mark.parametrize(("name", "scheduler"), PAIRS)
def test_the_loop_is_the_pipeline(home: Path, name: str, scheduler: str | None) -> None:
    assert difference(home, opened(home, name, scheduler), scheduler) < TOLERANCE


Change = Callable[[Any, pytest.MonkeyPatch], None]


def inputs_changed(change: Callable[[dict[str, Any]], None]) -> Change:
    """Change what both prompts give to the denoiser."""

    def wrong(family: Any, patch: pytest.MonkeyPatch) -> None:
        right = family.conditions

        def conditions(prompt: str, height: int, width: int) -> Any:
            both = [dict(inputs) for inputs in right(prompt, height, width)]
            for inputs in both:
                change(inputs)
            return tuple(both)

        patch.setattr(family, "conditions", conditions)

    return wrong


def added(key: str, value: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def change(inputs: dict[str, Any]) -> None:
        whole = inputs["added_cond_kwargs"]
        inputs["added_cond_kwargs"] = {**whole, key: value(whole[key])}

    return inputs_changed(change)


def replaced(key: str, value: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return inputs_changed(lambda inputs: inputs.update({key: value(inputs[key])}))


def arguments_changed(change: Callable[[dict[str, Any]], Any]) -> Change:
    def wrong(family: Any, patch: pytest.MonkeyPatch) -> None:
        right = family.schedule
        patch.setattr(family, "schedule", lambda *size: change(dict(right(*size))))

    return wrong


def time_scaled(factor: float) -> Change:
    def wrong(family: Any, patch: pytest.MonkeyPatch) -> None:
        right = family.output
        patch.setattr(family, "output", lambda x, time, inputs: right(x, time * factor, inputs))

    return wrong


def sign_turned(family: Any, patch: pytest.MonkeyPatch) -> None:
    right = family.output
    patch.setattr(family, "output", lambda *inputs: -right(*inputs))


def plain_combination(family: Any, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(family, "combine", lambda prompted, empty: empty + family.scale * (prompted - empty))


def empty_encoded(family: Any, patch: pytest.MonkeyPatch) -> None:
    family.pipe.register_to_config(force_zeros_for_empty_prompt=False)


def shift_instead(family: Any, patch: pytest.MonkeyPatch) -> None:
    family.pipe.scheduler.register_to_config(use_dynamic_shifting=False)


def without_sigmas(arguments: dict[str, Any]) -> dict[str, Any]:
    count = len(arguments.pop("sigmas"))
    return {"num_inference_steps": count, **arguments}


WRONG: dict[str, tuple[str, Change]] = {
    "SDXL, empty prompt encoded": ("sdxl", empty_encoded),
    "SDXL, no pooled text": ("sdxl", added("text_embeds", torch.zeros_like)),
    "SDXL, sizes of another picture": ("sdxl", added("time_ids", lambda ids: ids * 2)),
    "SDXL, guidance not embedded": (
        "sdxl-lcm",
        inputs_changed(lambda inputs: inputs.pop("timestep_cond")),
    ),
    "SD3, no pooled text": ("sd3", replaced("pooled_projections", torch.zeros_like)),
    "SD3, no T5": (
        "sd3",
        replaced(
            "encoder_hidden_states", lambda states: torch.cat([states[:, :77], states[:, 77:] * 0], dim=1)
        ),
    ),
    "SD3, shift for mu": ("sd3-dynamic", shift_instead),
    "PixArt, no mask": ("pixart", replaced("encoder_attention_mask", torch.ones_like)),
    "Sana, no mask": ("sana", replaced("encoder_attention_mask", torch.ones_like)),
    "Sana, time doubled": ("sana", time_scaled(2.0)),
    "Flux, no pooled text": ("flux-dev", replaced("pooled_projections", torch.zeros_like)),
    "Flux, the scheduler's own sigmas": ("flux-dev", arguments_changed(without_sigmas)),
    "Flux, another mu": ("flux-dev", arguments_changed(lambda arguments: {**arguments, "mu": 1.15})),
    "Flux, time not divided": ("flux-dev", time_scaled(1000.0)),
    "Z-Image, sign": ("z-image", sign_turned),
    "Z-Image, usual guidance": ("z-image", plain_combination),
    "Qwen-Image, norm not restored": ("qwen-image", plain_combination),
    "Qwen-Image, another mu": ("qwen-image", arguments_changed(lambda given: {**given, "mu": 1.15})),
    "klein, Flux's mu": ("flux2-klein", arguments_changed(lambda given: {**given, "mu": 0.5})),
    "Lumina, sign": ("lumina2", sign_turned),
    "Lumina, norm not restored": ("lumina2", plain_combination),
    "Lumina, no mask": ("lumina2", replaced("encoder_attention_mask", torch.ones_like)),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_comparison_has_teeth(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family, change = WRONG[name]
    generator = opened(home, family)
    change(generator.family, monkeypatch)
    if change is shift_instead:
        generator.scheduler.scheduler.register_to_config(use_dynamic_shifting=False)
    assert difference(home, generator) > 10 * TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_latents_are_decoded_as_the_pipeline_does(home: Path, name: str) -> None:
    generator = opened(home, name)
    noise = generator.initial_latent(SEED)[None]
    _, image, _ = own_result(home, name, None, noise, "pt")
    latents = latents_of(generator)
    with torch.no_grad():
        ours = generator.decode(latents)
    torch.testing.assert_close(ours, image, rtol=0, atol=2e-4)


def test_means_and_spreads_of_latents_are_undone(home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(save_pipeline("sdxl", home), tmp_path / "sdxl"))
    path = folder / "vae" / "config.json"
    spread = {"latents_mean": [0.5, -0.5, 1.0, 0.0], "latents_std": [2.0, 1.0, 0.5, 1.5]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **spread}))
    (tmp_path / "home").mkdir()
    _, image, _ = own_result(tmp_path, "sdxl", None, opened(home, "sdxl").initial_latent(SEED)[None], "pt")
    with torch.no_grad():
        latents = latents_of(load_folder(folder, name="sdxl"))
        right = load_folder(folder, name="sdxl").decode(latents)
        wrong = opened(home, "sdxl").decode(latents)
    torch.testing.assert_close(right, image, rtol=0, atol=2e-4)
    assert float((wrong - image).abs().max()) > 0.01


def test_guidance_may_begin_in_pure_noise(home: Path) -> None:
    """Flow matching starts at signal 0, where the shift was infinite."""
    for name in ("sd3", "flux-schnell"):
        generator = opened(home, name)
        recipe = recipe_for(generator, window=(0.0, 1.0), steps=STEPS)
        (made,) = generate([recipe], generator=generator, scorer=Brightness())
        assert made.trace[0]["alpha_bar"] == 0.0
        assert 0.0 < made.trace[0]["shift"] < 10.0


@pytest.mark.parametrize("name", CASES)
def test_gradients_and_units_of_every_family(home: Path, name: str) -> None:
    """Finite through denoiser and decoder with checkpointing, for two images at once."""
    generator = opened(home, name)
    step = generator.scheduler.start(STEPS).steps[1]
    x = torch.stack([generator.initial_latent(seed) for seed in (1, 2)]).requires_grad_()
    condition = generator.encode_prompt(PROMPT, [1, 2])
    prediction = generator.predict(x, step, condition)
    images = generator.decode(prediction.x0)
    (gradient,) = torch.autograd.grad(Brightness()(images)[:, 0].sum(), x)
    assert images.shape == (2, 3, generator.image_size, generator.image_size)
    assert torch.isfinite(gradient).all()
    assert (rms(gradient) > 0).all()
    assert (prediction.unit > 0).all()
    assert generator.unit_kind == (TEXT if generator.guided_by_text else TEXT_ONCE)
    assert not any(
        value.requires_grad for net in generator.family.networks.values() for value in net.parameters()
    )


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux-dev", "qwen-image"])
def test_networks_in_bfloat16_keep_the_gradient(home: Path, name: str) -> None:
    """The loop stays float32; the gradient points where that of float32 does."""
    gradients = []
    for precision in ("float32", "bfloat16"):
        generator = opened(home, name, precision=precision, decoder_precision=precision)
        step = generator.scheduler.start(STEPS).steps[1]
        x = generator.initial_latent(1)[None].requires_grad_()
        prediction = generator.predict(x, step, generator.encode_prompt(PROMPT, [1]))
        assert prediction.x0.dtype == torch.float32
        score = Brightness()(generator.decode(prediction.x0))[:, 0].sum()
        gradients.append(torch.autograd.grad(score, x)[0].flatten())
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.98


def test_checkpointing_changes_no_bit(home: Path) -> None:
    gradients = []
    for checkpointing in (True, False):
        generator = opened(home, "sdxl", checkpointing=checkpointing)
        step = generator.scheduler.start(STEPS).steps[1]
        x = generator.initial_latent(1)[None].requires_grad_()
        prediction = generator.predict(x, step, generator.encode_prompt(PROMPT, [1]))
        score = Brightness()(generator.decode(prediction.x0))[:, 0].sum()
        gradients.append(torch.autograd.grad(score, x)[0])
    assert torch.equal(*gradients)


def test_evenly_spaced_sigmas_end_at_one_step() -> None:
    assert list(even_sigmas(4)) == [1.0, 0.75, 0.5, 0.25]
