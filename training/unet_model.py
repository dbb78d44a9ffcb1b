"""The small diffusion model as it is trained: network, noise schedule, shipped folder, sheet of samples."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import load_file
from torch import nn

from almond.guidance.backends.small_unet import GUIDANCE_SCALE
from almond.world.patches import load_codec
from almond.world.text import MODEL, SceneTextEncoder, TextConfig, WordTokenizer, save_text
from almond.world.weights import checked, record

SHIPPED_FOLDER = Path(__file__).parent.parent / "almond" / "guidance" / "weights" / "small-unet"
SHIPPED = (
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/vocabulary.json",
)
BFLOAT16 = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
"""Whether the processor multiplies bfloat16: then 1.7 times as fast as float32, else 14 times as slow."""


class Model(nn.Module):
    """The UNet and its text encoder, trained together."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.text = SceneTextEncoder(TextConfig(words))
        nn.init.normal_(self.text.places, std=0.02)
        self.unet = UNet2DConditionModel(
            sample_size=24,
            in_channels=16,
            out_channels=16,
            layers_per_block=1,
            block_out_channels=(48, 128, 128),
            down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
            norm_num_groups=8,
            attention_head_dim=4,
            cross_attention_dim=self.text.config.width,
            addition_embed_type="text",
            addition_embed_type_num_heads=4,
        )
        self.plain_attention()

    def plain_attention(self) -> None:
        """Attention by matrix products: on a CPU faster for a few places than the fused kernel's backward."""
        unet: Any = self.unet
        unet.set_attn_processor(AttnProcessor())

    def load_shipped(self, folder: Path) -> None:
        """Load the weights of a folder that :func:`write_folder` wrote, in single precision."""
        network: Any = self.unet
        unet = load_file(checked("unet/diffusion_pytorch_model.safetensors", folder))
        text = load_file(checked(f"text_encoder/{MODEL}", folder))
        network.load_state_dict({name: value.float() for name, value in unet.items()})
        self.text.load_state_dict({name: value.float() for name, value in text.items()})

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Compute velocities; in training the denoiser's products are in bfloat16 where that is faster."""
        unet: Any = self.unet
        states = self.text(numbers)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and BFLOAT16):
            found: torch.Tensor = unet(noisy, times, encoder_hidden_states=states).sample
        return found.float()


def noise_schedule() -> Any:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


PROMPTS = (
    "a person standing in a room",
    "a doorway at night",
    "a street by day",
    "a person in a park",
    "a person smiling near in a room by day",
    "a person angry near in a street by day",
    "a person with raised arms far away in a park by day",
    "a group of people in a room",
    "nobody in a room with a snake",
    "a park with a fire at night",
    "a street with a dog by day",
    "nobody at a doorway with flowers",
)


@torch.no_grad()
def samples(
    model: Model, tokenizer: WordTokenizer, prompts: tuple[str, ...], seed: int, scale: float = GUIDANCE_SCALE
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A row of pictures for each four prompts, uint8 (rows, columns, 3): DDIM, 25 steps."""
    schedule = noise_schedule()
    schedule.set_timesteps(25)
    start = torch.Generator().manual_seed(seed)
    x = torch.randn((len(prompts), 16, 24, 24), generator=start)
    numbers = torch.cat([tokenizer([""] * len(prompts)), tokenizer(prompts)])
    for moment in schedule.timesteps:
        times = torch.full((len(numbers),), int(moment))
        empty, prompted = model(torch.cat([x, x]), times, numbers).chunk(2)
        x = schedule.step(empty + scale * (prompted - empty), int(moment), x).prev_sample
    images = (load_codec().decode(x).clamp(0.0, 1.0) * 255.0).round().byte().permute(0, 2, 3, 1).numpy()
    rows = [np.concatenate(list(images[at : at + 4]), 1) for at in range(0, len(images) - 3, 4)]
    return np.concatenate(rows)


def write_folder(model: Model, tokenizer: WordTokenizer, schedule: Any, out: Path) -> None:
    """The diffusers folder: weights in half precision, the scheduler, the text encoder, digests."""
    out.mkdir(parents=True, exist_ok=True)
    unet: Any = copy.deepcopy(model.unet)
    unet.half().save_pretrained(out / "unet")
    schedule.save_pretrained(out / "scheduler")
    save_text(out / "text_encoder", tokenizer, model.text, torch.float16)
    for name in SHIPPED:
        (out / name).chmod(0o644)
        record(name, out)
