"""Feature kind ``table``: numbers that were computed elsewhere, from one file, or one per subject or run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from almond.encoding.config.features import FIELDS, TABLES
from almond.encoding.config.paths import file_or_pattern_of
from almond.encoding.features.specs import PredictorSpec
from almond.shapes import Text

if TYPE_CHECKING:
    from almond.encoding.features.run_features import Predictors, Presentation

TableFile = Annotated[Path, file_or_pattern_of(TABLES, *FIELDS)]


class TableSpec(PredictorSpec):
    """A row per stimulus (with a column ``stim_file``), or per ``interval`` seconds of the runs.

    Without ``interval`` there is a row per volume. Rows are of each run after the other, or of one run where
    the path holds ``{run}``, of one subject where it holds ``{subject}``.
    """

    kind: Literal["table"]
    path: TableFile
    """a .csv, .tsv, .npy, .npz, .mat or .parquet file; {subject} and {run} are filled in"""
    variable: Text = ""
    """the array of a .mat or .npz file that holds several"""
    rows: Literal["time", "features"] | None = None
    """time: a row is a frame, volume or stimulus; features: a row is a feature"""

    def open_predictors(self, presentation: Presentation) -> Predictors:
        from almond.encoding.features.table_predictors import predictors_of_table

        return predictors_of_table(self, presentation)
