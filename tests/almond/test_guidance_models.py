"""Adding models: what is checked, pinned and refused; LoRA, variants, weights in fewer bits."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import huggingface_hub.errors as hub
import pytest
import torch

from almond.cli.main import main
from almond.errors import DigestMismatch, InputError
from almond.guidance.added.add import add_model
from almond.guidance.added.hub import files_to_fetch, refusal_of
from almond.guidance.added.store import DIGESTS, added_names, defaults_for, find_added, models_folder
from almond.guidance.backends.device import DEVICE
from almond.guidance.backends.load import load_generator
from almond.guidance.backends.open_folder import load_folder
from almond.guidance.backends.weight_files import digests_of, variants_of
from almond.guidance.model_settings import ModelOptions
from almond.guidance.sampler import generate
from tests.almond.test_guidance_diffusion import Brightness, make_folder, recipe_for
from tests.almond.tiny_pipelines import save_pipeline


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pipeline("sdxl", tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALMOND_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "model"))


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_an_added_model_is_checked_pinned_and_drawn_with(sdxl: Path, capsys: Any) -> None:
    assert main(["models", "add", "turbo", str(sdxl), "--scale", "1", "--steps", "3"]) == 0
    text = capsys.readouterr().out
    assert "turbo: StableDiffusionXLPipeline, 16 px, EulerDiscreteScheduler" in text
    model = find_added("turbo")
    assert model is not None
    assert {"unet/config.json", "text_encoder_2/model.safetensors", "model_index.json"} <= set(model.files)
    generator = load_generator("turbo")
    assert generator.digest == model.digest
    assert generator.defaults.steps == defaults_for("turbo#DDIMScheduler").steps == 3
    assert generator.name == "turbo"
    assert load_generator("turbo#DDIMScheduler").digest != model.digest
    (made,) = generate([recipe_for(generator, steps=3)], generator=generator, scorer=Brightness())
    assert made.image.shape == (16, 16, 3)
    assert main(["models", "list", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == ["turbo"]


def test_a_changed_file_of_an_added_model_is_refused(folder: Path) -> None:
    add_model("tiny", str(folder), ModelOptions())
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DigestMismatch, match="scheduler_config"):
        load_generator("tiny")


def test_nothing_is_added_where_something_is_wrong(folder: Path, tiny: Path) -> None:
    for name in ("analytic", "../up", "Big", "digests"):
        with pytest.raises(InputError, match="name"):
            add_model(name, str(tiny), ModelOptions())
    changed(folder / "vae" / "config.json", scaling_factor=1e-30)  # every picture is one colour
    with pytest.raises(InputError, match="decoded image"):
        add_model("broken", str(folder), ModelOptions())
    with pytest.raises(InputError, match="no folder"):
        add_model("broken", "/nowhere", ModelOptions())
    assert added_names() == []


def test_a_blank_picture_names_generator_seed_and_step(folder: Path) -> None:
    generator = load_folder(folder, name="tiny")

    class White:
        def decode(self, latents: torch.Tensor) -> torch.Tensor:
            return torch.full((len(latents), 3, 16, 16), 0.7)

    generator.decoder = White()
    recipe = recipe_for(generator, direction=0)
    with pytest.raises(InputError, match=r"generator tiny, seed 1, after step 6 of 6.*blank"):
        list(generate([recipe], generator=generator, scorer=Brightness()))


def test_settings_that_cannot_work_say_why(tiny: Path) -> None:
    for changes, words in (
        ({"precision": "float16"}, "float16.*bfloat16"),
        ({"weights": "fp8"}, "fp8.*no backward"),
        ({"weights": "offload"}, "between forward and backward"),
        ({"size": 17}, "multiple of 2"),
        ({"scale": -1.0}, "scale"),
    ):
        with pytest.raises(InputError, match=words):
            load_folder(tiny, name="tiny", **changes)


@pytest.mark.parametrize("setting", ["clip_sample", "thresholding"])
def test_clipping_schedulers_are_refused_by_name(folder: Path, setting: str) -> None:
    changed(folder / "scheduler" / "scheduler_config.json", **{setting: True})
    with pytest.raises(InputError, match=f"DDIMScheduler, {setting}"):
        load_folder(folder, name="tiny")


def test_a_folder_that_names_pndm_is_driven_by_ddim(folder: Path) -> None:
    """Stable Diffusion 1.5's own folder; its configuration has no ``clip_sample``, which DDIM would set."""
    path = folder / "scheduler" / "scheduler_config.json"
    config = {key: value for key, value in json.loads(path.read_text()).items() if key != "clip_sample"}
    path.write_text(json.dumps({**config, "_class_name": "PNDMScheduler", "skip_prk_steps": True}))
    changed(folder / "model_index.json", scheduler=["diffusers", "PNDMScheduler"])
    generator = load_folder(folder, name="tiny")
    assert generator.scheduler.name == "DDIMScheduler"
    assert generator.scheduler.scheduler.config.clip_sample is False
    with pytest.raises(InputError, match="PNDMScheduler"):
        load_folder(folder, name="tiny", scheduler="PNDMScheduler")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("StableDiffusionXLInpaintPipeline", "another input than a prompt.*StableDiffusionXLPipeline"),
        ("FluxFillPipeline", "another input"),
        ("FluxKontextPipeline", "another input"),
        ("QwenImageEditPipeline", "another input"),
        ("StableDiffusionXLImg2ImgPipeline", "another input"),
        ("SanaSprintPipeline", "nobody has tried.*SanaPipeline"),
        ("KandinskyPipeline", "nobody has tried"),
        ("AuraFlowPipeline", "nobody has tried"),
    ],
)
def test_other_pipelines_are_refused_by_name_with_the_list(folder: Path, name: str, words: str) -> None:
    changed(folder / "model_index.json", _class_name=name)
    with pytest.raises(InputError, match=f"the pipeline is {name}.*{words}"):
        load_folder(folder, name="x")


def test_a_refiner_is_refused(sdxl: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sdxl, tmp_path / "refiner"))
    changed(copy / "model_index.json", requires_aesthetics_score=True)
    with pytest.raises(InputError, match="refiner"):
        load_folder(copy, name="x")


def test_variants_are_found_and_only_what_is_loaded_is_hashed(folder: Path) -> None:
    plain = load_folder(folder, name="tiny").digest
    for part, stem in (("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model")):
        weights = folder / part / f"{stem}.safetensors"
        shutil.copy(weights, folder / part / f"{stem}.fp16.safetensors")
    shutil.copy(folder / "text_encoder" / "model.safetensors", folder / "text_encoder" / "model.ema.bin")
    assert load_folder(folder, name="tiny").digest == plain  # the others are not loaded
    assert sorted(variants_of(folder / "unet")) == ["", "fp16"]
    both = load_folder(folder, name="tiny", variant="fp16")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in both.identity["files"]
    assert "text_encoder/model.safetensors" in both.identity["files"]
    with pytest.raises(InputError, match=r"variant bf16.*fp16"):
        load_folder(folder, name="tiny", variant="bf16")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    only = load_folder(folder, name="tiny")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in only.identity["files"]


def test_digests_are_kept_beside_size_and_time(folder: Path, tmp_path: Path) -> None:
    store, path = tmp_path / DIGESTS, folder / "model_index.json"
    first = digests_of({"index": path}, store)
    assert digests_of({"index": path}, store) == first
    known = json.loads(store.read_text())
    known[str(path.resolve())]["sha256"] = "0" * 64
    store.write_text(json.dumps(known))
    assert digests_of({"index": path}, store) == {"index": "0" * 64}  # not read again
    path.write_text(path.read_text() + " ")
    assert digests_of({"index": path}, store)["index"] not in ("0" * 64, first["index"])


def test_the_digest_holds_what_pictures_depend_on(tiny: Path) -> None:
    base = load_folder(tiny, name="tiny")
    for changes in (
        {"precision": "bfloat16"},
        {"decoder_precision": "bfloat16"},
        {"scale": 3.0},
        {"size": 32},
        {"scheduler": "EulerDiscreteScheduler"},
    ):
        assert load_folder(tiny, name="tiny", **changes).digest != base.digest
    assert load_folder(tiny, name="tiny", checkpointing=False).digest == base.digest


def test_the_device_is_a_setting(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEVICE, "toaster")
    with pytest.raises(InputError, match="toaster"):
        load_folder(tiny, name="tiny")
    if not torch.cuda.is_available():
        monkeypatch.setenv(DEVICE, "cuda")
        with pytest.raises(InputError, match="no GPU"):
            load_folder(tiny, name="tiny")


def test_a_sentencepiece_tokenizer_says_what_it_needs(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    try:
        import sentencepiece  # noqa: F401

        pytest.skip("sentencepiece is installed")
    except ImportError:
        pass
    folder = Path(shutil.copytree(save_pipeline("pixart", tmp_path), tmp_path / "spiece"))
    for path in (folder / "tokenizer").iterdir():
        path.unlink()
    (folder / "tokenizer" / "spiece.model").write_bytes(b"x")
    with pytest.raises(InputError, match=r"only spiece\.model, which needs sentencepiece"):
        load_folder(folder, name="pixart")


def hub_error(kind: Any, status: int) -> Exception:
    client = import_module(hub.Response.__module__.partition(".")[0])  # httpx, or httpx2
    response = client.Response(status, request=client.Request("GET", "https://hub.invalid/x"))
    error: Exception = kind("refused", response=response)
    return error


def test_the_hubs_refusals_are_one_line_each() -> None:
    gated = str(refusal_of("lab/model", hub_error(hub.GatedRepoError, 403)))
    assert "is gated" in gated
    assert "https://huggingface.co/lab/model" in gated
    assert "not on the hub" in str(refusal_of("lab/model", hub_error(hub.RepositoryNotFoundError, 404)))
    assert "hf download lab/model" in str(refusal_of("lab/model", ConnectionError("no route\nto host")))
    for error in (hub_error(hub.GatedRepoError, 403), ConnectionError("no route\nto host")):
        assert "\n" not in str(refusal_of("lab/model", error))


def test_without_a_network_the_command_to_fetch_is_named(capsys: Any) -> None:
    with pytest.raises(InputError, match="hf download lab/model --local-dir FOLDER"):
        add_model("lab", "lab/model", ModelOptions())
    assert not models_folder().exists()


def test_one_variant_of_each_part_is_fetched() -> None:
    listed = [
        "README.md",
        "sd_xl.safetensors",
        "model_index.json",
        "scheduler/scheduler_config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/model.onnx",
        "vae/config.json",
        "vae/diffusion_pytorch_model-00001-of-00002.safetensors",
        "vae/diffusion_pytorch_model-00002-of-00002.safetensors",
        "vae/diffusion_pytorch_model.safetensors.index.json",
    ]
    classes = {"unet": "U", "vae": "V", "tokenizer": "T"}
    fetched = files_to_fetch(listed, classes, "fp16")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in fetched
    assert "unet/diffusion_pytorch_model.safetensors" not in fetched
    assert sum(name.startswith("vae/diffusion") for name in fetched) == 3
    assert {"tokenizer/merges.txt", "scheduler/scheduler_config.json"} <= set(fetched)
    assert not {"README.md", "sd_xl.safetensors", "unet/model.onnx"} & set(fetched)
    assert "unet/diffusion_pytorch_model.safetensors" in files_to_fetch(listed, classes, None)


def test_lora_moves_the_picture_and_is_frozen_again(sdxl: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from diffusers import StableDiffusionXLPipeline
    from diffusers.utils import convert_state_dict_to_diffusers

    pipe: Any = StableDiffusionXLPipeline.from_pretrained(sdxl)
    config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
    torch.manual_seed(1)
    pipe.unet.add_adapter(config)
    state = convert_state_dict_to_diffusers(peft.get_peft_model_state_dict(pipe.unet))
    StableDiffusionXLPipeline.save_lora_weights(tmp_path, unet_lora_layers=state)
    path = next(tmp_path.glob("*lora*.safetensors"))
    generators = {
        weight: load_folder(sdxl, name="sdxl", lora=[{"path": str(path), "weight": weight}])
        for weight in (0.0, 1.0)
    }
    base = load_folder(sdxl, name="sdxl")
    images = {}
    for name, generator in {"base": base, **generators}.items():
        networks = generator.family.networks.values()
        assert not any(value.requires_grad for network in networks for value in network.parameters())
        recipe = recipe_for(generator, direction=0)
        (made,) = generate([recipe], generator=generator, scorer=Brightness())
        images[name] = torch.from_numpy(made.image)
    assert torch.equal(images["base"], images[0.0])
    assert not torch.equal(images["base"], images[1.0])
    assert len({generator.digest for generator in (base, *generators.values())}) == 3


def test_without_peft_lora_says_what_it_needs(sdxl: Path) -> None:
    try:
        import peft  # noqa: F401
    except ImportError:
        with pytest.raises(InputError, match="pip install peft"):
            load_folder(sdxl, name="sdxl", lora=[{"path": "x.safetensors"}])
    else:
        with pytest.raises(InputError, match="is no file"):
            load_folder(sdxl, name="sdxl", lora=[{"path": "x.safetensors"}])


def test_nf4_without_a_gpu_or_its_package_is_refused(sdxl: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=r"GPU|bitsandbytes"):
        load_folder(sdxl, name="sdxl", weights="nf4")


@pytest.mark.parametrize(("weights", "package"), [("int8", "torchao"), ("nf4", "bitsandbytes")])
def test_gradients_pass_weights_in_fewer_bits(sdxl: Path, weights: str, package: str) -> None:
    pytest.importorskip("accelerate")
    pytest.importorskip(package)
    if weights == "nf4" and not torch.cuda.is_available():
        pytest.skip("diffusers stores nf4 on a GPU only")
    gradients = []
    for stored in ("full", weights):
        generator = load_folder(sdxl, name="sdxl", weights=stored, checkpointing=False)
        step = generator.scheduler.start(4).steps[1]
        x = generator.initial_latent(1)[None].requires_grad_()
        prediction = generator.predict(x, step, generator.encode_prompt("a room", [1]))
        score = Brightness()(generator.decode(prediction.x0))[:, 0].sum()
        gradients.append(torch.autograd.grad(score, x)[0].flatten())
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.95
