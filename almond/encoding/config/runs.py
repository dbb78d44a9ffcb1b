"""Which runs a configuration is about: a BIDS folder, or single files. Light: no image is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from almond.encoding.config.paths import NIFTI, ExistingFile, ExistingFolder, ResolvedPath
from almond.encoding.config.section import FILLED, ConfigSection, Label, NotNegative, Positive, Texts
from almond.shapes import Text, Whole, repeated, shown

SOURCES = ("dataset", "runs", "encoders")


def _run_name(value: Any) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"is {shown(value)}, not a name or number")


def _rising(volumes: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= volumes[0] < volumes[1]:
        raise ValueError(f"is {list(volumes)}, not [first, one past the last]")
    return volumes


def _derivatives(value: Any) -> bool | str:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip()):
        return value
    raise ValueError(f"is {shown(value)}, not true, false or the name of a folder in derivatives")


Derivatives = Annotated[bool | str, BeforeValidator(_derivatives, json_schema_input_type=bool | str)]


class RunFiles(ConfigSection):
    """A run given by its files instead of a BIDS folder."""

    subject: Text
    """in quotes: YAML reads 01 as a number"""
    run: Annotated[str, BeforeValidator(_run_name, json_schema_input_type=str | int)]
    """what tells the subject's runs apart; `{run}` in patterns"""
    bold: Annotated[Path, ExistingFile(NIFTI)]
    """a 4-D NIfTI file"""
    events: Annotated[Path, ExistingFile([".tsv"])] | None = None
    """its `events.tsv`"""
    volumes: Annotated[tuple[Whole, Whole], AfterValidator(_rising)] | None = None
    """`[first, one past the last]`, where a file holds several runs; all unless given"""


class DataSettings(ConfigSection):
    """The runs that are analysed, and where results go."""

    dataset: ExistingFolder | None = None
    """BIDS folder, raw or derivatives, such as `ds002837`"""
    runs: Annotated[tuple[RunFiles, ...], FILLED] = ()
    """instead of `dataset`: a list such as `[{subject: "01", run: 1, bold: a.nii.gz}]`"""
    encoders: ExistingFolder | None = None
    """instead of either: a folder of artifacts that exist already, such as those that `import-betas` makes;
    nothing is fitted, `regions` may be left out"""
    task: Text | None = None
    """such as `500daysofsummer`; all unless given"""
    entities: Mapping[Label, Text] = {}
    """further BIDS entities, such as `{space: MNI152NLin2009cAsym, desc: preproc}`"""
    suffix: Text = "bold"
    """what follows the last entity in the file name, such as `bold_blur_censor`"""
    derivatives: Derivatives = False
    """`true`: look into `dataset/derivatives`; a name: into `dataset/derivatives/<name>`"""
    subjects: Texts | None = None
    """a list of texts, such as `["01", "02"]`; all unless given"""
    tr: Positive | None = None
    """repetition time in seconds; must agree with the sidecar, where there is one"""
    start_time: NotNegative | None = None
    """seconds from the start of a volume to the time that it stands for, such as half the TR; must agree with
    StartTime of the sidecar, where there is one"""
    output: ResolvedPath = Field(default=Path("artifacts"), validate_default=True)
    """folder of the artifacts"""
    strict: bool = False
    """take every remark as an error: [remarks.md](remarks.md)"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse more or less than one source of runs, and runs of the same name."""
        if len(self.model_fields_set.intersection(SOURCES)) != 1:
            yield (
                "dataset",
                "give one of a BIDS folder (dataset), files (runs) or encoders that exist already (encoders)",
            )
        for subject, run in repeated((run.subject, run.run) for run in self.runs):
            yield "runs", f"subject {subject} has two runs called {run}"
