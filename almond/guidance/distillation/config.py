"""The configuration of ``python -m almond distil``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from almond.encoding.config.features import FeatureSpec
from almond.encoding.config.paths import BASE, ExistingFile, ResolvedPath
from almond.errors import InputError
from almond.files.text import read_text
from almond.guidance.distillation.lora import ATTENTION
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.shapes import DifferentTexts, Number, OneOf, Shape, Text, Whole, read

TargetFile = Annotated[Path, ExistingFile((".json",))]
Count = Annotated[Whole, Field(ge=1)]


class Scenes(Shape):
    """Prompts, and how many seeds of each: seeds count up from ``first_seed``."""

    prompts: Annotated[DifferentTexts, Field(min_length=1)]
    seeds: Count = 2
    first_seed: Annotated[Whole, Field(ge=0)] = 1

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.first_seed, self.first_seed + self.seeds))


class DistilConfig(Shape):
    """Which guidance to distil, from which scenes, and on which others it is judged.

    ``targets`` are files of ``almond.targets``, one dial each; ``judge`` is ``world`` (the simulated world's
    held-out network) or held-out target files in the same order. ``contrast`` guides each target against the
    mean of the others instead of alone. ``strength`` is what dial 1 stands for; without it and ``window`` the
    generator's own largest strength and window count.
    """

    generator: Text
    features: FeatureSpec
    targets: Annotated[tuple[TargetFile, ...], Field(min_length=1)]
    judge: Literal["world"] | tuple[TargetFile, ...]
    train: Scenes
    test: Scenes
    output: ResolvedPath
    contrast: bool = False
    strength: Annotated[Number, Field(gt=0)] | None = None
    window: tuple[Number, Number] | None = None
    rule: Annotated[str, OneOf(RULES)] = DEFAULT_RULE
    steps: Count | None = None
    rank: Count = 8
    layers: Annotated[DifferentTexts, Field(min_length=1)] = ATTENTION
    updates: Count = 400
    rate: Annotated[Number, Field(gt=0)] = 1e-3
    seed: Annotated[Whole, Field(ge=0)] = 1

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse judges that do not fit the targets, and a test on what was trained on."""
        if self.judge != "world" and len(self.judge) != len(self.targets):
            yield "judge", f"has {len(self.judge)} files, not one for each of {len(self.targets)} targets"
        if shared := sorted(set(self.train.prompts) & set(self.test.prompts)):
            yield "test.prompts", f"has {shared[0]!r}, which is trained on"
        if shared_seeds := sorted(set(self.train.numbers) & set(self.test.numbers)):
            yield "test.first_seed", f"gives seed {shared_seeds[0]}, which is trained on"
        if self.window is not None and not 0.0 <= self.window[0] < self.window[1] <= 1.0:
            yield "window", f"is {list(self.window)}, not 0 <= low < high <= 1 in alpha-bar"


def load_distil_config(path: Path) -> DistilConfig:
    """Read a YAML file; relative paths in it are relative to its folder.

    :raises ShapeError: with every error, each with its path.
    """
    try:
        mapping = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InputError(path, f"is not YAML ({error})", "a YAML configuration") from error
    return parse_distil_config(mapping, path.resolve().parent, source=path)


def parse_distil_config(mapping: Mapping[str, Any], base: Path, *, source: object) -> DistilConfig:
    """Validate plain values as a configuration whose relative paths start from ``base``."""
    return read(DistilConfig, mapping, source=source, context={BASE: base})
