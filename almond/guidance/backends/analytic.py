"""The embedded generator: an optimal denoiser of scenes drawn for the prompt. No weights, exact gradients.

For one prompt and seed the simulated world draws a *bank* of scenes of one layout (walls, windows, clothes,
tint): what the prompt names is fixed in most of them, everything else varies. The denoiser is the bank's
local posterior mean (``almond.guidance.backends.posterior``), so that what it draws is put together from
rendered scenes of that one layout, and guidance can only choose among what such scenes may hold.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from almond.digest import digest_array, digest_json
from almond.errors import InputError
from almond.guidance.backends.base import Condition, Prediction, clipped, rms, seeded_noise
from almond.guidance.backends.posterior import Bank, Locality, posterior_mean
from almond.guidance.generators import defaults_of
from almond.guidance.schedulers import DDIM, Step
from almond.guidance.starting import StartPicture
from almond.rng import derive_seed
from almond.rng import generator as random_generator
from almond.world import scenes
from almond.world.patches import PATCH, codec_digest, load_codec
from almond.world.prompts import parse_prompt

VERSION = 1
"""Counted up when the same parameters would give other pictures."""

CACHED_BANKS = 12

LATENT_SCALE = 0.5
"""Standard deviation of the latents that are denoised: it says at which noise level a scene is decided."""


SPANNING = ("presence", "posture")
"""Attributes on which the pictures of a group agree: what spans the picture and must not be pieced
together."""

SETTLED = ("place", "light", "distance")
"""Attributes that one image's bank agrees on: drawn once per prompt and seed where the prompt does not name
them."""

LOCAL = ("object", "expression", "gaze")
"""Attributes that show in one place of the picture, so that a window can choose them by itself."""


@dataclass(frozen=True)
class BankRule:
    """How a bank is drawn.

    One group of ``each`` scenes for every combination of the ``SPANNING`` attributes. ``departures`` is the
    share that differs from the prompt in an attribute that it names (of the groups by their prior, of the
    scenes of a group by number), so that guidance may raise an arm that the prompt left hanging.
    """

    each: int = 12
    departures: float = 0.15


LOCALITY = Locality(windows=((0.3, 13), (1.0, 9)), temperature=10.0, group_temperature=30.0)
"""Windows wide enough for an object or a face, narrower than the way from one to the other."""


class AnalyticGenerator:
    """Local posterior mean over scenes drawn for the prompt, at 96 x 96 pixels."""

    name = "analytic"
    image_size = 96

    def __init__(
        self,
        *,
        rule: BankRule | None = None,
        locality: Locality = LOCALITY,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.codec = copy.deepcopy(load_codec()).to(dtype)
        self.rule, self.locality, self.dtype = rule or BankRule(), locality, dtype
        self.defaults = defaults_of(self.name)
        self.scheduler = DDIM()
        side = self.image_size // PATCH
        self.latent_shape = (self.codec.components, side, side)
        self.banks: OrderedDict[tuple[str, int], Bank] = OrderedDict()
        self.digest = digest_json(
            {
                "version": VERSION,
                "latent_scale": LATENT_SCALE,
                "codec": codec_digest(),
                "renderer": renderer_digest(),
                "bank": asdict(self.rule),
                "locality": asdict(self.locality),
                "scheduler": self.scheduler.name,
                "batch": self.defaults.batch,
            }
        )

    def encode_prompt(self, prompt: str, seeds: Sequence[int]) -> Condition:
        """``payload``: the bank of every image. A prompt of which nothing is understood is an
        ``InputError``."""
        parsed = parse_prompt(prompt)
        banks = tuple(self.bank(parsed.fixed, seed) for seed in seeds)
        return Condition(prompt, tuple(seeds), parsed.understood, parsed.ignored, banks)

    def encode_start(
        self, start: StartPicture, prompt: str, seeds: Sequence[int]
    ) -> tuple[Condition, torch.Tensor]:
        """Return the condition, and the clean latent (C, h, w) of the scene that is noised in part.

        The bank is drawn around the scene: its layout, and its attributes but for what the prompt names.

        :raises InputError: the prompt names another place, light or distance than the scene's.
        """
        scene, parsed = start.drawn_scene(), parse_prompt(prompt)
        for name in SETTLED:
            if parsed.fixed.get(name, getattr(scene, name)) != getattr(scene, name):
                problem = f"says {name} {parsed.fixed[name]}, but the scene's is {getattr(scene, name)}"
                raise InputError("recipe.prompt", problem, "words for what may change in the scene")
        fixed = {**{name: getattr(scene, name) for name in (*SPANNING, *LOCAL)}, **parsed.fixed}
        banks = tuple(self.bank(fixed, seed, scene) for seed in seeds)
        condition = Condition(prompt, tuple(seeds), parsed.understood, parsed.ignored, banks)
        return condition, self.encode(scenes.render_many([scene], self.image_size))[0]

    def bank(self, fixed: Mapping[str, str], seed: int, start: scenes.Scene | None = None) -> Bank:
        """Return the bank of attributes and a seed, around a scene if any; the last used are cached."""
        key = (digest_json([dict(fixed), asdict(start) if start else None]), seed)
        if key not in self.banks:
            drawn = draw_bank(fixed, seed, self.rule, start)
            pictures = scenes.render_many(drawn.scenes, self.image_size)
            self.banks[key] = Bank.of(self.encode(pictures), torch.tensor(drawn.prior, dtype=self.dtype))
        self.banks.move_to_end(key)
        while len(self.banks) > CACHED_BANKS:
            self.banks.popitem(last=False)
        return self.banks[key]

    def encode(self, pictures: np.ndarray[Any, Any]) -> torch.Tensor:
        """Encode latents (M, C, h, w) of pictures (M, H, W, 3) uint8."""
        values = torch.from_numpy(pictures).permute(0, 3, 1, 2).to(self.dtype) / 255.0
        with torch.no_grad():
            latents: torch.Tensor = self.codec.encode(values)
        return latents * LATENT_SCALE

    def initial_latent(self, seed: int) -> torch.Tensor:
        return seeded_noise(seed, self.latent_shape).to(self.dtype)

    def predict(self, x: torch.Tensor, step: Step, condition: Condition) -> Prediction:
        """Predict each image over its own bank; images that share a bank are computed together."""
        parts = _rows_by_bank(condition.payload)
        means = [posterior_mean(x[rows], bank, step.level, self.locality) for bank, rows in parts]
        order = torch.tensor([row for _, rows in parts for row in rows]).argsort()
        x0 = torch.cat(means)[order]
        return Prediction(x0, rms(x - step.level.signal * x0) / step.level.noise)

    def decode(self, x0: torch.Tensor) -> torch.Tensor:
        images: torch.Tensor = self.codec.decode(x0 / LATENT_SCALE)
        return clipped(images)


def _rows_by_bank(banks: Sequence[Bank]) -> list[tuple[Bank, list[int]]]:
    rows: dict[int, tuple[Bank, list[int]]] = {}
    for index, bank in enumerate(banks):
        rows.setdefault(id(bank), (bank, []))[1].append(index)
    return list(rows.values())


@dataclass(frozen=True)
class DrawnBank:
    """Scenes in groups of one size, and the probability (G,) of each group."""

    scenes: tuple[scenes.Scene, ...]
    prior: tuple[float, ...]


def draw_bank(
    fixed: Mapping[str, str], seed: int, rule: BankRule, start: scenes.Scene | None = None
) -> DrawnBank:
    """The scenes of a bank: one layout, one set of nuisance and settled attributes, those of ``start`` where
    it is given; the rest as ``rule`` says."""
    key = digest_json(dict(fixed))
    rng = random_generator(seed, "analytic bank", VERSION, key)
    layout = derive_seed(seed, "analytic layout", key) if start is None else start.layout_seed
    first = start or scenes.draw_scene(rng, fixed, layout_seed=layout)
    constant = {name: getattr(first, name) for name in (*scenes.NUISANCE, *SETTLED)}
    drawn: list[scenes.Scene] = []
    prior: list[float] = []
    for group in spanning_groups(fixed):
        columns = {name: _column(rng, name, fixed, rule) for name in LOCAL}
        for index in range(rule.each):
            local = {name: column[index] for name, column in columns.items()}
            drawn.append(scenes.draw_scene(rng, {**constant, **group, **local}, layout_seed=layout))
        prior.append(group_prior(group, fixed, rule))
    return DrawnBank(tuple(drawn), tuple(prior))


def spanning_groups(fixed: Mapping[str, str]) -> list[dict[str, str]]:
    """List spanning attributes that look different together (without a person, posture does not show).

    A prompt that names a person keeps somebody in every picture.
    """
    postures = scenes.ATTRIBUTES["posture"]
    people = [
        {"presence": presence, "posture": posture} for presence in ("one", "group") for posture in postures
    ]
    if fixed.get("presence", "nobody") != "nobody":
        return people
    return [{"presence": "nobody", "posture": postures[0]}, *people]


def group_prior(group: Mapping[str, str], fixed: Mapping[str, str], rule: BankRule) -> float:
    """Return the probability of a group, up to a factor: a value that the prompt does not name has its usual
    frequency."""
    probability = 1.0
    for name in SPANNING:
        if name == "posture" and group["presence"] == "nobody":
            continue
        values = scenes.ATTRIBUTES[name]
        usual = scenes.FREQUENCIES.get(name, (1 / len(values),) * len(values))[values.index(group[name])]
        if name in fixed:
            matches = group[name] == fixed[name]
            usual = 1 - rule.departures if matches else rule.departures / (len(values) - 1)
        probability *= usual
    return probability


def _column(rng: np.random.Generator, name: str, fixed: Mapping[str, str], rule: BankRule) -> list[str]:
    """List values of a local attribute for the scenes of one group: evenly spread, or mostly what the prompt
    names."""
    values = list(scenes.ATTRIBUTES[name])
    others = round(rule.departures * rule.each) if name in fixed else rule.each
    if name in fixed:
        values.remove(fixed[name])
    spread = [values[index % len(values)] for index in range(others)]
    column = [fixed[name]] * (rule.each - others) + spread if name in fixed else spread
    return [column[index] for index in rng.permutation(rule.each)]


def renderer_digest() -> str:
    """Return the digest of a few pictures, which any change of the renderer changes."""
    rng = random_generator(0, "probe scenes")
    probes = [
        scenes.draw_scene(rng, {"place": place, "presence": presence}, layout_seed=index)
        for index, (place, presence) in enumerate(
            (place, presence) for place in scenes.ATTRIBUTES["place"] for presence in ("one", "group")
        )
    ]
    return digest_array(scenes.render_many(probes))
