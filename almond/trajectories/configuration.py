"""The YAML file of ``python -m almond trajectory CONFIG``: that of ``generate`` and a section ``trajectory``.

    python -m almond trajectory examples/trajectory.yaml

Every prompt, seed and target makes one trajectory. Targets, judges, window, ramp and steps are those of
``almond.generating.configuration``. Light: no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field

from almond.encoding.config.paths import ResolvedPath
from almond.generating.configuration import GenerationConfig
from almond.generating.photograph import given_in_vain
from almond.shapes import Flag
from almond.trajectories.settings import TrajectorySettings


class TrajectorySection(TrajectorySettings):
    """How trajectories are looked for, who judges them beside the named judges, and where the report lies."""

    world_judge: Flag = False
    """let the simulated world's held-out network judge (regions of the example world only)"""
    report: ResolvedPath = Path("trajectories")
    """folder of the report, strips and chosen pictures"""


class TrajectoryConfig(GenerationConfig):
    """What ``python -m almond trajectory`` looks for; all pictures that were drawn are kept in ``output``."""

    trajectory: Annotated[TrajectorySection, Field()] = TrajectorySection()
    """beside what ``generate`` needs"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse what a trajectory decides by itself, and people kept without a reader of pictures."""
        yield from super().contradictions()
        yield from given_in_vain(self, "a trajectory begins from its prompt alone")
        for name in ("objectives", "directions", "settings", "strengths"):
            if name in self.model_fields_set:
                yield name, "is decided by the trajectory; see `trajectory`"
        if len(self.rules) > 1:
            yield "rules", "has several entries; a trajectory has one"
        if self.judges and self.trajectory.world_judge:
            yield "judges", "stand beside trajectory.world_judge; give one of them"
        if self.trajectory.keep_people and self.people_reader is None:
            yield "trajectory.keep_people", "needs a reader of pictures; name one in `people`"
