"""From photographs, masks and added networks: our loop beside the pipelines of diffusers, tiny and real."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from almond.attribution.steps import predictions_at
from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.base import rms
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.conditioning import AdapterPicture, AddedNetworks, ControlPicture
from almond.guidance.photographs.pictured import pictured
from almond.guidance.photographs.pictures import PictureFiles, fitted, fitted_mask
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate
from almond.guidance.starting import StartPicture
from almond.guidance.trajectories import start_of, walk
from tests.almond.picture_folders import (
    SIDE,
    save_adapter,
    save_control,
    save_image_encoder,
    save_mask,
    save_photograph,
)
from tests.almond.test_guidance_diffusion import Brightness, recipe_for
from tests.almond.test_guidance_families import TOLERANCE
from tests.almond.tiny_pipelines import save_pipeline

PROMPT, STEPS, SEED = "a red house at night", 4, 7


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity_error()
    folder = tmp_path_factory.mktemp("photographs")
    save_photograph(folder / "photograph.png")
    save_mask(folder / "mask.png")
    save_photograph(folder / "lines.png", seed=9)
    return folder


OPENED: dict[str, Any] = {}


def opened(home: Path, name: str, **changes: Any) -> Any:
    """The tiny folder of a name, opened once for each of its settings."""
    sizes: dict[str, Any] = {"size": SIDE} if name in ("flux-dev", "z-image") else {}
    key = f"{home}/{name} {changes}"
    if key not in OPENED:
        OPENED[key] = load_folder(save_pipeline(name, home), name=name, **sizes, **changes)
    return OPENED[key]


def start_from(generator: Any, home: Path, *, mask: bool = False, **how: Any) -> StartPicture:
    digests: dict[str, Any] = {"image_sha256": generator.pictures.add(home / "photograph.png")}
    if mask:
        digests["mask_sha256"] = generator.pictures.add(home / "mask.png")
    return StartPicture(**digests, **(how or {"strength": 0.5}))


def plain_recipe(generator: Any, **changes: Any) -> Recipe:
    usual = {"prompt": PROMPT, "seed": SEED, "steps": STEPS, "direction": 0}
    return recipe_for(generator, **{**usual, **changes})


def latents_of(generator: Any, recipe: Recipe) -> list[torch.Tensor]:
    """The unguided loop from the noise that pipelines draw: the latents after every step."""
    model: Any = pictured(generator, recipe)
    source = torch.Generator().manual_seed(5)
    noise = torch.randn((1, *generator.latent_shape), generator=source)
    start = replace(start_of(model, [recipe], [0]), latents=noise, noise=[source])
    trajectory = model.scheduler.start(recipe.steps)

    def predict(x: torch.Tensor, step: Any) -> torch.Tensor:
        with torch.no_grad():
            return model.predict(x, step, start.condition).x0

    return [x for _, _, x in walk(trajectory, start, predict)]


def own(generator: Any, kind: str, **parts: Any) -> Any:
    """A pipeline of another class over the same parts, with a scheduler of its own."""
    held = generator.family.pipe
    solver = type(held.scheduler).from_config(held.scheduler.config)
    flags = {"requires_safety_checker": False} if kind.startswith("StableDiffusion") else {}
    takes = inspect.signature(getattr(diffusers, kind)).parameters
    whole = {**held.components, "scheduler": solver, **flags, **parts}
    pipe = getattr(diffusers, kind)(**{name: part for name, part in whole.items() if name in takes})
    pipe.set_progress_bar_config(disable=True)
    return pipe


def latents_from(pipe: Any, generator: Any, **call: Any) -> torch.Tensor:
    """What a pipeline makes, as latents."""
    takes = inspect.signature(pipe.__call__).parameters
    sides = {"height": generator.image_size, "width": generator.image_size}
    usual = {"prompt": PROMPT, "num_inference_steps": STEPS, "output_type": "latent", **sides, **call}
    source = torch.Generator().manual_seed(5)
    known = {name: value for name, value in usual.items() if name in takes}
    latents: torch.Tensor = pipe(**known, generator=source).images
    if latents.ndim == 3:  # packed in patches
        side = generator.image_size
        latents = pipe._unpack_latents(latents, side, side, pipe.vae_scale_factor)
    return latents


def picture(home: Path, name: str, side: int) -> Image.Image:
    return Image.open(home / name).resize((side, side), Image.Resampling.LANCZOS)


@pytest.fixture
def means(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders give the mean of their distribution: the pipelines draw from it."""
    kind = diffusers.models.autoencoders.vae.DiagonalGaussianDistribution
    monkeypatch.setattr(kind, "sample", lambda self, generator=None: self.mode())


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / rms(theirs))


FROM_IMAGES = [
    ("sd15", "StableDiffusionImg2ImgPipeline", 7.5, None),
    ("sd21", "StableDiffusionImg2ImgPipeline", 7.5, "DPMSolverMultistepScheduler"),
    ("sd15", "StableDiffusionImg2ImgPipeline", 7.5, "HeunDiscreteScheduler"),
    ("sdxl", "StableDiffusionXLImg2ImgPipeline", 5.0, None),
    ("sdxl", "StableDiffusionXLImg2ImgPipeline", 5.0, "EulerAncestralDiscreteScheduler"),
    ("sdxl", "StableDiffusionXLImg2ImgPipeline", 5.0, "UniPCMultistepScheduler"),
    ("sd3", "StableDiffusion3Img2ImgPipeline", 7.0, None),
    ("flux-dev", "FluxImg2ImgPipeline", 3.5, None),
    ("z-image", "ZImageImg2ImgPipeline", 5.0, None),
]


@pytest.mark.usefixtures("means")
@pytest.mark.parametrize(("name", "kind", "scale", "scheduler"), FROM_IMAGES)
def test_partial_noising_is_image_to_image(
    home: Path, name: str, kind: str, scale: float, scheduler: str | None
) -> None:
    generator = opened(home, name, scheduler=scheduler)
    recipe = plain_recipe(generator, start=start_from(generator, home))
    ours = latents_of(generator, recipe)
    assert len(ours) == (3 if scheduler == "HeunDiscreteScheduler" else 2)
    pipe = own(generator, kind)
    image = picture(home, "photograph.png", generator.image_size)
    theirs = latents_from(pipe, generator, image=image, strength=0.5, guidance_scale=scale)
    assert difference(ours[-1], theirs) < TOLERANCE


IN_A_REGION = [
    ("sd15", "StableDiffusionInpaintPipeline", 7.5, None),
    ("sdxl", "StableDiffusionXLInpaintPipeline", 5.0, "EulerDiscreteScheduler"),
    ("sdxl", "StableDiffusionXLInpaintPipeline", 5.0, "HeunDiscreteScheduler"),
    ("sd3", "StableDiffusion3InpaintPipeline", 7.0, None),
    ("flux-dev", "FluxInpaintPipeline", 3.5, None),
    ("z-image", "ZImageInpaintPipeline", 5.0, None),
]


@pytest.mark.usefixtures("means")
@pytest.mark.parametrize(("name", "kind", "scale", "scheduler"), IN_A_REGION)
def test_a_masked_region_is_blended_as_inpainting_blends(
    home: Path, name: str, kind: str, scale: float, scheduler: str | None
) -> None:
    generator = opened(home, name, scheduler=scheduler)
    recipe = plain_recipe(generator, start=start_from(generator, home, mask=True, strength=0.5))
    ours = latents_of(generator, recipe)
    image = picture(home, "photograph.png", generator.image_size)
    mask = Image.open(home / "mask.png").resize((generator.image_size,) * 2, Image.Resampling.NEAREST)
    call = {"image": image, "mask_image": mask, "strength": 0.5, "guidance_scale": scale}
    theirs = latents_from(own(generator, kind), generator, **call)
    assert difference(ours[-1], theirs) < TOLERANCE


def test_outside_of_the_mask_nothing_changes(home: Path) -> None:
    """Exactly: latents after every step, pixels at the end, guided hard; inside it does."""
    generator = opened(home, "sdxl")
    start = start_from(generator, home, mask=True, alpha_bar=0.2)
    base = plain_recipe(generator, start=start)
    guided = recipe_for(generator, start=start, strength=5.0, window=(0.0, 1.0), steps=STEPS, prompt=PROMPT)
    plain, up = generate([base, guided], generator=generator, scorer=Brightness())
    photograph = np.asarray(Image.open(home / "photograph.png"))
    left = slice(0, SIDE // 2)
    for made in (plain, up):
        np.testing.assert_array_equal(made.image[:, left], photograph[:, left])
    assert np.abs(up.image[:, SIDE // 2 :].astype(int) - plain.image[:, SIDE // 2 :]).mean() > 1
    assert up.scores["red"] > plain.scores["red"]
    model: Any = pictured(generator, base)
    noisy = start_of(model, [base], [0])
    trajectory = model.scheduler.start(STEPS)
    cells = model.photograph.region.cells
    assert 0 < int(cells.sum()) < cells.numel()
    for step, _, x in walk(trajectory, noisy, lambda x, step: x + 1.0):
        known = noisy.known(trajectory, step.index + 1)
        assert torch.equal(x[..., ~cells], known[..., ~cells])
        assert not torch.equal(x[..., cells], known[..., cells])
    assert torch.equal(x[..., ~cells], model.photograph.latent[None][..., ~cells])


def test_steps_of_a_masked_photograph_are_shown_as_they_are_scored(home: Path) -> None:
    generator = opened(home, "sdxl")
    recipe = plain_recipe(generator, start=start_from(generator, home, mask=True, strength=0.5))
    shown = predictions_at(recipe, generator, Brightness(), [2, 3])
    (made,) = generate([recipe], generator=generator, scorer=Brightness())
    photograph = torch.tensor(np.asarray(Image.open(home / "photograph.png"))).permute(2, 0, 1) / 255
    half = SIDE // 2
    assert torch.equal(shown[..., :half], photograph[..., :half].expand(2, -1, -1, -1))
    last = torch.tensor(made.image).permute(2, 0, 1) / 255
    torch.testing.assert_close(shown[1], last, rtol=0, atol=1 / 255)
    with pytest.raises(InputError, match="name 2, which is not taken"):
        predictions_at(recipe, generator, Brightness(), [1])


def test_photographs_are_cut_around_their_middle(tmp_path: Path) -> None:
    wide = np.zeros((20, 50, 3), np.uint8)
    wide[:, 15:35] = np.random.default_rng(0).integers(0, 256, (20, 20, 3))
    square = Image.fromarray(wide[:, 15:35])
    np.testing.assert_array_equal(fitted(wide, 20), wide[:, 15:35])
    np.testing.assert_array_equal(
        fitted(wide, 8), np.asarray(square.resize((8, 8), Image.Resampling.LANCZOS))
    )
    mask = fitted_mask(wide, 20)
    np.testing.assert_array_equal(mask, np.round(wide[:, 15:35].mean(axis=2)) >= 128)
    files = PictureFiles()
    for name in ("a", "b", "c"):
        save_photograph(tmp_path / f"{name}.png", seed=len(name) + ord(name) % 2)
    digest = files.add_folder(tmp_path)
    assert len(files.members(digest)) == 2  # a and c are the same picture
    (tmp_path / "a.png").unlink()
    assert files.add_folder(tmp_path) == digest
    (tmp_path / "b.png").unlink()
    assert files.add_folder(tmp_path) != digest


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3"])
def test_an_inverted_photograph_comes_back(home: Path, name: str) -> None:
    """The more iterations the closer; the residual in the trace says how close.

    The last layer is made small: what random layers put out changes faster than their input.
    """
    generator = opened(home, name, scale=1.0).with_own_networks()
    for part in ("conv_out", "proj_out"):
        if hasattr(generator.denoiser, part):
            getattr(generator.denoiser, part).weight.data *= 0.1
    errors, residuals = [], []
    for iterations in (1, 4, 20):
        start = start_from(generator, home, strength=0.75, method="inversion", iterations=iterations)
        recipe = plain_recipe(generator, start=start)
        model: Any = pictured(generator, recipe)
        clean = model.photograph.latent
        errors.append(float((latents_of(generator, recipe)[-1][0] - clean).square().mean().sqrt()))
        (made,) = generate([recipe], generator=generator, scorer=Brightness())
        residuals.append(made.trace[0]["inversion_residual"])
        assert len(made.trace) == 3
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < errors[0] / 20, errors
    assert residuals[0] > residuals[1] > residuals[2]


def test_one_iteration_is_ddim_inversion_of_diffusers(home: Path) -> None:
    generator = opened(home, "sd15", scale=1.0)
    start = start_from(generator, home, strength=1.0, method="inversion", iterations=1)
    recipe = plain_recipe(generator, start=start, steps=10)
    model: Any = pictured(generator, recipe)
    inverted = start_of(model, [recipe], [0]).inverted
    assert inverted is not None
    solver = diffusers.DDIMInverseScheduler.from_config(generator.family.pipe.scheduler.config)
    solver.set_timesteps(10)
    x, states = model.photograph.latent[None], generator.encode_prompt(PROMPT, [SEED]).payload[0]
    with torch.no_grad():
        for time in solver.timesteps:
            output = generator.family.output(x, time[None].float(), states)
            x = solver.step(output, time, x).prev_sample
    assert difference(inverted.latents[0][None], x) < TOLERANCE


@pytest.mark.parametrize("name", ["sd3", "flux-dev"])
def test_one_iteration_of_a_flow_is_its_reverse_ode(home: Path, name: str) -> None:
    generator = opened(home, name, scale=1.0)
    start = start_from(generator, home, strength=1.0, method="inversion", iterations=1)
    recipe = plain_recipe(generator, start=start, steps=6)
    model: Any = pictured(generator, recipe)
    inverted = start_of(model, [recipe], [0]).inverted
    assert inverted is not None
    solver = generator.family.pipe.scheduler
    solver.set_timesteps(**generator.family.schedule(6, SIDE, SIDE))
    x, states = model.photograph.latent[None], generator.encode_prompt(PROMPT, [SEED]).payload[0]
    with torch.no_grad():
        for index in reversed(range(6)):
            velocity = generator.family.output(x, solver.timesteps[index][None], states)
            x = x + (solver.sigmas[index] - solver.sigmas[index + 1]) * velocity
    assert difference(inverted.latents[0][None], x) < TOLERANCE


ADDED: dict[str, AddedNetworks] = {}


def added_to(home: Path, name: str) -> AddedNetworks:
    """A ControlNet, an IP-Adapter and its encoder for the tiny folder of a name."""
    if name not in ADDED:
        unet = opened(home, name).denoiser
        ADDED[name] = AddedNetworks(
            control=save_control(home / f"control-{name}", unet),
            adapter=save_adapter(home / f"adapter-{name}.safetensors", unet),
            encoder=save_image_encoder(home / "encoder"),
            adapter_scale=0.7,
        )
    return ADDED[name]


def control_picture(generator: Any, home: Path, **changes: Any) -> ControlPicture:
    image = generator.pictures.add(home / "lines.png")
    values = {"image_sha256": image, "weights_sha256": generator.control_sha256, "scale": 0.8}
    return ControlPicture(**{**values, **changes})


def adapter_picture(generator: Any, home: Path, **changes: Any) -> AdapterPicture:
    adapter = generator.adapter
    values = {
        "image_sha256": generator.pictures.add(home / "lines.png"),
        "weights_sha256": adapter.weights_sha256,
        "encoder_sha256": adapter.encoder_sha256,
        "scale": adapter.scale,
    }
    return AdapterPicture(**{**values, **changes})


@pytest.mark.parametrize(
    ("name", "kind", "scale"),
    [
        ("sd15", "StableDiffusionControlNetPipeline", 7.5),
        ("sdxl", "StableDiffusionXLControlNetPipeline", 5.0),
    ],
)
def test_a_control_net_is_run_as_its_pipeline_runs_it(home: Path, name: str, kind: str, scale: float) -> None:
    networks = replace(added_to(home, name), adapter=None, encoder=None)
    generator = opened(home, name, added=networks)
    recipe = plain_recipe(generator, control=control_picture(generator, home))
    ours = latents_of(generator, recipe)[-1]
    pipe = own(generator, kind, controlnet=generator.family.control)
    lines = picture(home, "lines.png", generator.image_size)
    call = {"image": lines, "controlnet_conditioning_scale": 0.8, "guidance_scale": scale}
    theirs = latents_from(pipe, generator, **call)
    assert difference(ours, theirs) < TOLERANCE
    without = latents_of(generator, recipe.model_copy(update={"control": None}))[-1]
    weaker = control_picture(generator, home, scale=0.2)
    for wrong in (without, latents_of(generator, recipe.model_copy(update={"control": weaker}))[-1]):
        assert difference(wrong, theirs) > 10 * TOLERANCE


@pytest.mark.parametrize(
    ("name", "scale", "plus"), [("sd15", 7.5, False), ("sdxl", 5.0, False), ("sd15", 7.5, True)]
)
def test_an_ip_adapter_is_run_as_its_pipeline_runs_it(
    home: Path, name: str, scale: float, plus: bool
) -> None:
    file = home / f"adapter-{name}-{plus}.safetensors"
    save_adapter(file, opened(home, name).denoiser, plus=plus)
    networks = replace(added_to(home, name), control=None, adapter=file)
    generator = opened(home, name, added=networks)
    recipe = plain_recipe(generator, adapter=adapter_picture(generator, home))
    ours = latents_of(generator, recipe)[-1]
    fresh: Any = diffusers.DiffusionPipeline.from_pretrained(home / name)
    fresh.set_progress_bar_config(disable=True)
    fresh.load_ip_adapter(
        str(file.parent), subfolder="", weight_name=file.name, image_encoder_folder=str(home / "encoder")
    )
    fresh.set_ip_adapter_scale(0.7)
    lines = Image.open(home / "lines.png")
    theirs = latents_from(fresh, generator, ip_adapter_image=lines, guidance_scale=scale)
    assert difference(ours, theirs) < TOLERANCE
    other = adapter_picture(generator, home, image_sha256=generator.pictures.add(home / "photograph.png"))
    wrong = latents_of(generator, recipe.model_copy(update={"adapter": other}))[-1]
    assert difference(wrong, theirs) > 10 * TOLERANCE
    if plus:
        with pytest.raises(InputError, match="states of every patch"):
            generator.adapter.embeddings([np.asarray(lines)])


def test_all_of_it_together_has_gradients_and_is_frozen(home: Path) -> None:
    """A masked photograph, a ControlNet and an adapter, two images at once, guided through the denoiser."""
    generator = opened(home, "sdxl", added=added_to(home, "sdxl"))
    recipe = recipe_for(
        generator,
        prompt=PROMPT,
        steps=STEPS,
        window=(0.0, 1.0),
        strength=5.0,
        start=start_from(generator, home, mask=True, strength=0.75),
        control=control_picture(generator, home),
        adapter=adapter_picture(generator, home),
    )
    assert Recipe.from_json(recipe.to_json()) == recipe
    down = recipe.model_copy(update={"direction": -1})
    up, low = generate([recipe, down], generator=generator, scorer=Brightness(), batch=2)
    assert up.scores["red"] > low.scores["red"]
    assert all(entry["gradient"] > 0 for entry in up.trace)
    assert not any(
        value.requires_grad for net in generator.family.networks.values() for value in net.parameters()
    )
    plain = opened(home, "sdxl")
    assert generator.digest != plain.digest


def test_added_networks_run_in_bfloat16_beside_a_decoder_in_float32(home: Path) -> None:
    generator = opened(home, "sdxl", added=added_to(home, "sdxl"), precision="bfloat16")
    recipe = plain_recipe(
        generator,
        steps=2,
        control=control_picture(generator, home),
        adapter=adapter_picture(generator, home),
    )
    (made,) = generate([recipe], generator=generator, scorer=Brightness())
    kinds = {next(net.parameters()).dtype for net in (generator.family.control, generator.denoiser)}
    assert kinds == {torch.bfloat16}
    assert next(generator.family.pipe.vae.parameters()).dtype == torch.float32
    assert made.image.std() > 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"weights_sha256": "0" * 64}, "recipe.control: its digest"),
        ({"image_sha256": "0" * 64}, "the picture 000000000000… is not at hand"),
    ],
)
def test_recipes_for_other_networks_or_pictures_are_refused(
    home: Path, changes: dict[str, str], problem: str
) -> None:
    generator = opened(home, "sdxl", added=added_to(home, "sdxl"))
    whole = {"control": control_picture(generator, home), "adapter": adapter_picture(generator, home)}
    wrong = {**whole, "control": control_picture(generator, home, **changes)}
    with pytest.raises((InputError, DigestMismatch), match=problem):
        next(generate([plain_recipe(generator, **wrong)], generator=generator, scorer=Brightness()))


def test_a_recipe_without_the_pictures_of_its_model_is_refused(home: Path) -> None:
    generator = opened(home, "sdxl", added=added_to(home, "sdxl"))
    with pytest.raises(InputError, match="the model has an IP-Adapter"):
        next(generate([plain_recipe(generator)], generator=generator, scorer=Brightness()))
    other = adapter_picture(generator, home, scale=0.1)
    with pytest.raises(InputError, match="one scale for a model"):
        next(generate([plain_recipe(generator, adapter=other)], generator=generator, scorer=Brightness()))
    plain = opened(home, "sdxl")
    for name, picture_of in (("control", control_picture), ("adapter", adapter_picture)):
        recipe = plain_recipe(plain, **{name: picture_of(generator, home)})
        with pytest.raises(InputError, match=f"recipe.{name}: the model has no"):
            next(generate([recipe], generator=plain, scorer=Brightness()))
