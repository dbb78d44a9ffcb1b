"""The section ``validation`` of a configuration: images with published norms. Light: nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from almond.encoding.config.features import FeatureTable
from almond.encoding.config.paths import ExistingFile, ExistingFolder, ResolvedPath
from almond.encoding.config.section import (
    DEFAULT,
    FILLED,
    ConfigSection,
    CountOrZero,
    DefaultOr,
    Label,
    Positive,
    Share,
    Texts,
    repeated_names,
)
from almond.shapes import Flag, OneOf, Text, Whole

NORMS = (".csv", ".tsv", ".txt")
OUTCOMES = ("z", "raw")
REPEATED = ("error", "mean")


class ImageSet(ConfigSection):
    """Images with norms: a folder of pictures and a table with a row for each."""

    images: ExistingFolder | None = None
    """a folder; every image in it needs a row in the norms, names match without suffix, capitals or spaces
    around. Needed unless `features` are given and `low_level` is `none`"""
    norms: Annotated[Path, ExistingFile(NORMS)]
    """table of ratings: any line ends; tabs, commas, semicolons or spaces; prose before the header is
    skipped"""
    column_name: Text | None = Field(default=None, alias="name")
    """column that names the image; unless given `Theme` (OASIS), `IAPS` or `image`"""
    valence: Text | None = None
    """column; unless given `Valence_mean` (OASIS), `valmn` (IAPS) or `valence`"""
    arousal: Text | None = None
    """column; unless given `Arousal_mean` (OASIS), `aromn` (IAPS) or `arousal`"""
    theme: Text | None = None
    """column that says what several images share; the column that names the images serves, too, without the
    number at the end of a name (`Acorns 1`). Every image is a theme of its own unless given"""
    repeated: Annotated[str, OneOf(REPEATED)] = "error"
    """several rows for one image, as in IAPS: an error, or ratings to take the mean of"""
    features: FeatureTable | None = None
    """a table of features of these images; those of the section unless given"""


class ValidationSettings(ConfigSection):
    """``validate``: predictions for images with norms of valence and arousal, and their tests."""

    model_config = ConfigDict(json_schema_extra={"required": ["sets"]})

    features: FeatureTable | None = None
    """one table for all sets: features made elsewhere, with a column `stim_file`; by the network unless
    given"""
    low_level: Annotated[str, DefaultOr("paper", "none")] = DEFAULT
    """low-level features in the regression"""
    sets: Annotated[Mapping[Label, ImageSet], FILLED] = {}
    """required; name -> set; effects are averaged over them"""
    model: Text | None = None
    """whose encoders; the configuration's first unless given"""
    regions: Texts | None = None
    """the first one is the report's headline; all unless given"""
    control: Text | None = None
    """region that is compared with every other in pairs"""
    subregions: tuple[Text, ...] = ()
    """two or more: analysis of variance between them; none unless given"""
    deciles: Annotated[Whole, Field(ge=3)] = 10
    """number of groups of a rating"""
    decile_edges: Annotated[str, DefaultOr("paper")] = DEFAULT
    """edges and weights of these groups"""
    outcome: Annotated[str, OneOf(OUTCOMES)] = "z"
    """predictions z-scored per subject and set, or as they are (as published)"""
    neutral: Positive = 1.0
    """abs(z valence) below it is neutral"""
    voxelwise: Flag = True
    """maps"""
    alpha: Share = 0.005
    """uncorrected threshold of maps; the corrected ones hold false discoveries at .05"""
    permutations: CountOrZero = 2000
    """of images"""
    seed: CountOrZero = 0
    """of these permutations"""
    out: ResolvedPath | None = None
    """folder of the report, `validation` in `output` unless given, or `--out`; an earlier report there is
    replaced, anything else left alone"""

    @field_validator("sets")
    @classmethod
    def _share_features(cls, sets: Mapping[str, ImageSet], info: ValidationInfo) -> Mapping[str, ImageSet]:
        shared = info.data.get("features")
        return {
            name: images if images.features else images.model_copy(update={"features": shared})
            for name, images in sets.items()
        }

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse sets without the images they need, and regions that are not among those to validate."""
        if "sets" not in self.model_fields_set:
            yield "sets", "is missing"
        for name, images in self.sets.items():
            if images.images is None and (images.features is None or self.low_level != "none"):
                yield f"sets.{name}.images", "is missing"
        yield from repeated_names(regions=self.regions, subregions=self.subregions)
        if len(self.subregions) == 1:
            yield "subregions", "holds one name; two or more can be compared"
        for key, names in self.named_regions():
            for name in names:
                if self.regions and name not in self.regions:
                    yield key, f"{name} is not among validation.regions"

    def named_regions(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the keys that name regions, and the names."""
        yield "regions", self.regions or ()
        yield "control", (self.control,) if self.control else ()
        yield "subregions", self.subregions
