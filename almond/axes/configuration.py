"""The YAML file of ``python -m almond axes CONFIG``: that of ``generate`` and a section ``axes``.

    python -m almond axes examples/axes.yaml

Light: no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from almond.described import DescribedShape
from almond.encoding.config.paths import ResolvedPath
from almond.generating.configuration import GenerationConfig
from almond.generating.photograph import given_in_vain
from almond.shapes import Flag, Number, Text, Whole


class AxesSection(DescribedShape):
    """Which axes are pushed along, and what stands beside them."""

    unguided: Annotated[Whole, Field(ge=10)] = 100
    """unguided pictures over all prompts: their scores make the axes, their spread is the unit of shifts"""
    components: Annotated[Whole, Field(ge=0, le=10)] = 2
    """principal components of the unguided scores, by variance; the largest loading of each is positive"""
    contrasts: dict[Text, dict[Text, Number]] = Field(default_factory=dict)
    """further axes by name, as weights of targets, such as `{CM_rather_than_LB: {CM: 1, LB: -1}}`"""
    wanted: Annotated[Number, Field(gt=0)] = 1.0
    """shift in standard deviations of the unguided scores to which both sides of every axis are calibrated"""
    clusters: Annotated[Whole, Field(ge=0, le=12)] = 0
    """groups of unguided score profiles; 0: as many as separate them best"""
    world_judge: Flag = False
    """let the simulated world's held-out network judge (regions of the example world only)"""
    report: ResolvedPath = Path("axes")
    """folder of the report, targets of the axes and tables"""


class AxesConfig(GenerationConfig):
    """What ``python -m almond axes`` draws; all pictures are kept in ``output``."""

    axes: AxesSection = AxesSection()
    """beside what ``generate`` needs"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse what axes decide by themselves, and contrasts of targets that are not there."""
        yield from super().contradictions()
        yield from given_in_vain(self, "axes are of pictures that prompts alone give")
        for name in ("objectives", "directions", "settings"):
            if name in self.model_fields_set:
                yield name, "is decided by the axes, which are pushed both ways"
        if len(self.rules) > 1:
            yield "rules", "has several entries; axes are pushed by one"
        if self.judges and self.axes.world_judge:
            yield "judges", "stand beside axes.world_judge; give one of them"
        names = [source.name for source in self.targets]
        if self.axes.components and len(names) < 2:
            yield "axes.components", "needs two targets or more"
        if not self.axes.components and not self.axes.contrasts:
            yield "axes", "names no axis; give components or contrasts"
        for name, weights in self.axes.contrasts.items():
            if unknown := [target for target in weights if target not in names]:
                yield f"axes.contrasts.{name}", f"weighs {unknown[0]}, which is none of the targets"
            if not any(weights.values()):
                yield f"axes.contrasts.{name}", "has no weight that is not 0"
