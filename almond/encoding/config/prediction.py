"""The sections ``prediction`` and ``betas`` of a configuration. Light: no numbers are read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from almond.encoding.config.features import FeatureTable
from almond.encoding.config.paths import ExistingFolder, ResolvedPath
from almond.encoding.config.section import FILLED, ConfigSection, Label
from almond.shapes import Flag, Text

SUFFIX = "fc7_invert_imageFeatures"
"""How the published scripts end the names of their files of weights."""


class PredictionSettings(ConfigSection):
    """``predict``: responses to images that nobody was scanned with."""

    images: ExistingFolder | None = None
    """a folder of images"""
    table: FeatureTable | None = None
    """instead of `images`: a table of their features"""
    out: ResolvedPath | None = None
    """CSV file to write; `predictions.csv` in `output` unless given"""
    leave_one_out: Flag = True
    """also predict, per subject, by the mean weights of all other subjects"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse more or less than one source of features."""
        if len(self.model_fields_set & {"images", "table"}) != 1:
            yield "", "give either a folder of images or a table of their features, and not both"


class BetasSettings(ConfigSection):
    """``export-betas``: mean weights as CSV, ``meanbeta_sub-<subject>_<region>_<suffix>.csv``."""

    folder: ResolvedPath | None = None
    """of the CSV files; `betas` in `output` unless given"""
    suffix: Text = SUFFIX
    """end of the file names"""
    names: Annotated[Mapping[Label, Text], FILLED] | None = None
    """our regions -> theirs, such as `{LB: Amygdala_LB_}`; as they are unless given"""
