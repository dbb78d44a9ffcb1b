"""The section ``evaluation`` of a configuration: statistics over the subjects. Nothing is read here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from almond.encoding.config.features import FeatureTable
from almond.encoding.config.paths import ExistingFile, ExistingFolder, ResolvedPath
from almond.encoding.config.section import (
    DEFAULT,
    FILLED,
    ConfigSection,
    Count,
    CountOrZero,
    DefaultOr,
    Label,
    ListOfOne,
    Share,
    Texts,
    repeated_names,
)
from almond.shapes import Number, OneOf, Text, Whole

CORRECTIONS = ("tukey", "holm")

Names = Annotated[tuple[Text, ...], ListOfOne()]
Contrast = Annotated[Mapping[Label, Number], FILLED]


class RandomRegions(ConfigSection):
    """A control: the voxels of a region split at random into parts, the same for every subject."""

    of: Text = ""
    """the region that is split; that of `whole` unless given"""
    splits: Count = 1000
    """how often"""
    parts: Annotated[Whole, Field(ge=2)] = 4
    """into how many"""
    export: ResolvedPath | None = None
    """a new folder for the mean weights of every part, subject and split; none unless given"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse to split nothing."""
        if not self.of:
            yield "of", "is missing, and there is no whole region to split"


class StimuliSettings(ConfigSection):
    """Images that were made for a region of a subject, scored by all encoders."""

    table: Annotated[Path, ExistingFile((".csv", ".tsv"))]
    """a row per image with `image` (below `images`), `region`, `subject` and, where images share one,
    `scene`"""
    images: ExistingFolder | None = None
    """their folder"""
    features: FeatureTable | None = None
    """a table of their features made elsewhere; extracted unless given"""
    regions: Texts | None = None
    """that predict; those that the table names unless given"""
    components: Count | None = None
    """of the discriminant analysis; one per region unless given"""
    low_level: Annotated[str, DefaultOr("paper", "none")] = DEFAULT
    """low-level features as nuisance"""
    permutations: CountOrZero = 1000
    """of the targets, within subjects"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse what needs images where none are given."""
        if "images" in self.model_fields_set:
            return
        if "features" not in self.model_fields_set:
            yield "", "gives neither images nor their features"
        elif self.low_level != "none":
            yield "images", "is missing; low-level features need the images (or low_level: none)"


class EvaluationSettings(ConfigSection):
    """``evaluate``: tests over subjects. Names are regions of the configuration."""

    models: Names | None = None
    """which to evaluate, a folder each; all that are fitted unless given"""
    whole: Text | None = None
    """the region that comes first in the report, and that `random_regions` splits"""
    subregions: Names = ()
    """two or more to compare with each other; LB, CM, SF and AStr where all four are fitted"""
    controls: Names = ()
    """every other region is compared with each of them in pairs"""
    fdr: Share = 0.05
    """rate of false discoveries of a map"""
    least_subjects: Annotated[Whole, Field(ge=3)] = 3
    """voxels with fewer subjects are not tested"""
    random_regions: RandomRegions | None = None
    """random splits as a control, such as `{of: amygdala, splits: 1000}`; none unless given"""
    contrasts: Annotated[Mapping[Label, Contrast], FILLED] | None = None
    """name -> {subregion: weight}, weights sum to 0, such as `{LB vs CM: {LB: 1, CM: -1}}`; the published
    ones for their four subregions, else each against the rest"""
    correction: Annotated[str, OneOf(CORRECTIONS)] = "tukey"
    """of all pairs of subregions"""
    stimuli: StimuliSettings | None = None
    """images made for regions of subjects; none unless given"""
    seed: CountOrZero = 0
    """of splits and permutations"""
    out: ResolvedPath | None = None
    """folder of the report; `evaluation` in `output` unless given"""

    @model_validator(mode="before")
    @classmethod
    def _split_the_whole_region(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or not isinstance(value.get("random_regions"), Mapping | bool):
            return value
        random = value["random_regions"]
        if isinstance(random, Mapping) and random.get("of") is None and isinstance(value.get("whole"), str):
            random = {**random, "of": value["whole"]}
        return {**value, "random_regions": None if random is False else random}

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse names that stand twice, a single subregion, and contrasts that are none."""
        yield from repeated_names(models=self.models, subregions=self.subregions, controls=self.controls)
        if len(self.subregions) == 1:
            yield "subregions", "holds one name; two or more can be compared"
        for name, weights in (self.contrasts or {}).items():
            for region in weights:
                if region not in self.subregions:
                    yield f"contrasts.{name}.{region}", "is not one of the subregions"
            balanced = math.isclose(sum(weights.values()), 0.0, abs_tol=1e-6)
            if not balanced or not any(weights.values()):
                yield f"contrasts.{name}", "has weights that do not sum to 0, or are all 0"

    def named_regions(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the keys that name regions, and the names."""
        yield "subregions", self.subregions
        yield "controls", self.controls
        yield "whole", (self.whole,) if self.whole else ()
        yield "random_regions.of", (self.random_regions.of,) if self.random_regions else ()
        yield "stimuli.regions", (self.stimuli.regions or ()) if self.stimuli else ()
