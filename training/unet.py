"""Train the small diffusion model: ``python -m training.unet --minutes 50 --work DIR [--resume]``.

A text-conditional UNet over the patch codec's latents learns the world's scenes with their captions:
velocity prediction (Salimans & Ho 2022), the squared-cosine schedule (Nichol & Dhariwal 2021), one caption in
ten empty for classifier-free guidance (Ho & Salimans 2022), and a running average of the weights. Every few
minutes the average is written as a diffusers folder, so that the newest can be shipped at any time.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from PIL import Image
from safetensors.torch import load_file, save
from torch import nn

from almond.files.writing import write_atomically
from almond.rng import derive_seed, generator
from almond.world.patches import load_codec
from almond.world.prompts import caption
from almond.world.scenes import Scene, draw_scene, render_many
from almond.world.text import SceneTextEncoder, TextConfig, WordTokenizer, save_text, world_vocabulary
from almond.world.weights import record

OUT = Path(__file__).parent.parent / "almond" / "guidance" / "weights" / "small-unet"
BATCH, POOL, RENEWED = 32, 5000, 4
NULL_SHARE = 0.1
RATE = 8e-4
RAW, AVERAGE, STEP = "raw.safetensors", "average.safetensors", "step.txt"
SHIPPED = (
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "text_encoder/vocabulary.json",
)


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

    def forward(self, noisy: torch.Tensor, times: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        unet: Any = self.unet
        found: torch.Tensor = unet(noisy, times, encoder_hidden_states=self.text(numbers)).sample
        return found


def noise_schedule() -> Any:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
    )


class LatentPool:
    """Scenes with their latents in half precision; the oldest are replaced while training goes on."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.rng, self.codec = rng, load_codec()
        self.latents = torch.empty(size, 16, 24, 24, dtype=torch.float16)
        self.scenes: list[Scene] = [draw_scene(rng) for _ in range(size)]
        for start in range(0, size, 100):
            self.encode(range(start, min(size, start + 100)))
        self.oldest = 0

    def renew(self, count: int) -> None:
        places = [(self.oldest + offset) % len(self.scenes) for offset in range(count)]
        for place in places:
            self.scenes[place] = draw_scene(self.rng)
        self.encode(places)
        self.oldest = (places[-1] + 1) % len(self.scenes)

    def encode(self, places: range | list[int]) -> None:
        pictures = render_many(self.scenes[place] for place in places)
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0
        self.latents[list(places)] = self.codec.encode(images).half()

    def caption(self, place: int) -> str:
        return "" if self.rng.random() < NULL_SHARE else caption(self.scenes[place], self.rng)


def velocity_loss(model: Model, schedule: Any, clean: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Mean squared error of v = sqrt(abar) noise - sqrt(1 - abar) x0 at uniformly drawn times."""
    times = torch.randint(0, 1000, (len(clean),))
    abar = schedule.alphas_cumprod[times].view(-1, 1, 1, 1)
    noise = torch.randn_like(clean)
    noisy = abar.sqrt() * clean + (1.0 - abar).sqrt() * noise
    with torch.autocast("cpu", torch.bfloat16):
        predicted = model(noisy, times, numbers)
    return (predicted.float() - (abar.sqrt() * noise - (1.0 - abar).sqrt() * clean)).square().mean()


def rate_at(share: float, step: int) -> float:
    """Warm-up over 100 steps, constant, then a cosine to 3 percent over the last 40 percent of the time."""
    fall = min(1.0, max(0.0, (share - 0.6) / 0.4))
    return RATE * min(1.0, (step + 1) / 100) * (0.03 + 0.97 * (0.5 + 0.5 * math.cos(math.pi * fall)))


class Run:
    """One training run with its working folder."""

    def __init__(self, work: Path, out: Path, seed: int, resume: bool) -> None:
        self.work, self.out = work, out
        self.tokenizer = WordTokenizer(world_vocabulary(), TextConfig(1).length)
        torch.manual_seed(derive_seed(seed, "unet") % 2**31)
        self.model = Model(len(self.tokenizer.vocabulary))
        self.average = Model(len(self.tokenizer.vocabulary)).requires_grad_(False)
        self.step = 0
        if resume:
            self.model.load_state_dict(load_file(work / RAW))
            self.average.load_state_dict(load_file(work / AVERAGE))
            self.step = int((work / STEP).read_text())
        else:
            self.average.load_state_dict(self.model.state_dict())
        self.pool = LatentPool(POOL, generator(seed, "unet-scenes", self.step))
        self.schedule = noise_schedule()
        self.optimiser = torch.optim.AdamW(self.model.parameters(), RATE, weight_decay=1e-4, fused=True)

    def train(self, minutes: float, every: float) -> None:
        began, saved, recent, first = time.monotonic(), time.monotonic(), 1.0, self.step
        while (share := (time.monotonic() - began) / (60.0 * minutes)) < 1.0:
            loss = self.one_step(rate_at(share, self.step - first))
            recent += 0.01 * (loss - recent)
            if self.step % 100 == 0:
                print(f"step {self.step} loss {recent:.4f} {time.monotonic() - began:.0f} s", flush=True)
            if time.monotonic() - saved > 60.0 * every:
                self.save()
                saved = time.monotonic()
        self.save()

    def one_step(self, rate: float) -> float:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.pool.renew(RENEWED)
        places = torch.randint(0, POOL, (BATCH,))
        numbers = self.tokenizer([self.pool.caption(int(place)) for place in places])
        loss = velocity_loss(self.model, self.schedule, self.pool.latents[places].float(), numbers)
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        keep = min(0.9985, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1.0 - keep)
        return loss.item()

    def save(self) -> None:
        """Working weights, the shipped folder, and a sheet of samples."""
        write_atomically(self.work / RAW, save(self.model.state_dict()))
        write_atomically(self.work / AVERAGE, save(self.average.state_dict()))
        write_atomically(self.work / STEP, str(self.step).encode())
        write_folder(self.average, self.tokenizer, self.schedule, self.out, self.step)
        sheet = samples(self.average, self.tokenizer, PROMPTS, seed=1)
        Image.fromarray(sheet).save(self.work / f"samples-{self.step:06d}.png")


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
    model: Model, tokenizer: WordTokenizer, prompts: tuple[str, ...], seed: int, scale: float = 2.5
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


def write_folder(model: Model, tokenizer: WordTokenizer, schedule: Any, out: Path, steps: int) -> None:
    """The diffusers folder: weights in half precision, the scheduler, the text encoder, digests."""
    out.mkdir(parents=True, exist_ok=True)
    unet: Any = copy.deepcopy(model.unet)
    unet.half().save_pretrained(out / "unet")
    schedule.save_pretrained(out / "scheduler")
    save_text(out / "text_encoder", tokenizer, model.text, torch.float16)
    write_atomically(out / "card.md", CARD.format(images=steps * BATCH, steps=steps).encode())
    for name in SHIPPED:
        (out / name).chmod(0o644)
        record(name, out)


CARD = """# The small diffusion model

A text-conditional UNet (diffusers `UNet2DConditionModel`) over the world's patch codec (16 x 24 x 24 latents
of 96 x 96 pixels), with a two-layer text encoder over the words of the world's prompts. It exists to exercise
the learned path, the same as a Stable Diffusion folder; the analytic generator draws better pictures.

Trained on {images} pictures ({steps} steps of 32) of randomly drawn scenes with captions that name about
three quarters of their attributes; one caption in ten empty. Velocity prediction, squared-cosine schedule
with 1000 steps, AdamW, running average of the weights (0.9985), stored in half precision. No picture of
anybody or anything real was used. Made by `python -m training.unet`; sample with DDIM, 25 steps, text
weight 2.5.
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=50.0)
    arguments.add_argument("--every", type=float, default=4.0, help="minutes between checkpoints")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--out", type=Path, default=OUT)
    arguments.add_argument("--resume", action="store_true")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    Run(options.work, options.out, options.seed, options.resume).train(options.minutes, options.every)


if __name__ == "__main__":
    main()
