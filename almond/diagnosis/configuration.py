"""The YAML file of ``python -m almond diagnose CONFIG``: that of ``generate`` and a section ``diagnosis``.

    python -m almond diagnose examples/diagnose.yaml

Targets, judges, prompts, seeds, strengths and window are those of ``almond.generating.configuration``; a
diagnosis has one rule and one objective. Light: no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from almond.described import DescribedShape
from almond.diagnosis.settings import DiagnosisSettings
from almond.encoding.config.paths import ExistingFolder, ResolvedPath
from almond.generating.configuration import GenerationConfig
from almond.generating.photograph import given_in_vain
from almond.shapes import Flag, Whole


class DiagnosisSection(DescribedShape):
    """What is drawn and read beside the guided pictures."""

    unguided: Annotated[Whole, Field(ge=4)] = 100
    """unguided pictures over all prompts; their spread is the unit of every score"""
    interpolations: Annotated[Whole, Field(ge=0)] = 2
    """prompts whose pictures are drawn between two noises, ten each"""
    permutations: Annotated[Whole, Field(ge=19)] = 1000
    """of targets within prompts"""
    random_regions: Annotated[Whole, Field(ge=0)] = 20
    """sets of random weights beside the dissociation of targets"""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """of permutations and random weights"""
    natural: ExistingFolder | None = None
    """folder of natural pictures that are scored too"""
    film: ExistingFolder | None = None
    """folder of frames of the film that the encoders were fitted to"""
    world_judge: Flag = False
    """let the simulated world's held-out network judge (regions of the example world only)"""
    report: ResolvedPath = Path("diagnosis")
    """folder of the report"""


class DiagnosisConfig(GenerationConfig):
    """What ``python -m almond diagnose`` draws and reads; pictures are kept in ``output``."""

    diagnosis: DiagnosisSection = DiagnosisSection()
    """beside what ``generate`` needs"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse several rules or objectives, and two judges."""
        yield from super().contradictions()
        for name in ("rules", "objectives"):
            if len(getattr(self, name)) > 1:
                yield name, "has several entries; a diagnosis is about one"
        yield from given_in_vain(self, "a diagnosis draws from prompts alone")
        if self.directions not in ((1, -1), (-1, 1), (1,)):
            yield "directions", f"is {list(self.directions)}, not [1, -1] or [1]"
        if self.judges and self.diagnosis.world_judge:
            yield "judges", "stand beside diagnosis.world_judge; give one of them"

    def diagnosis_settings(self) -> DiagnosisSettings:
        """Return the settings of a diagnosis, as the generator was calibrated where none are given."""
        grid, section = self.grid, self.diagnosis
        names = ("unguided", "interpolations", "permutations", "random_regions", "seed")
        return DiagnosisSettings(
            generator=self.generator,
            prompts=self.prompts,
            seeds=self.seeds,
            strengths=grid.strengths,
            window=grid.window,
            ramp=grid.ramp,
            steps=grid.steps,
            rule=grid.rules[0],
            objective=grid.objectives[0],
            both_signs=-1 in self.directions,
            **{name: getattr(section, name) for name in names},
        )
