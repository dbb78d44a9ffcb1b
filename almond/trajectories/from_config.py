"""Trajectories of a configuration: generator, guides and judges loaded, then found."""

from __future__ import annotations

from almond.diagnosis.readers import named_readers
from almond.generating.sources import load_sources
from almond.progress import Progress
from almond.trajectories.configuration import TrajectoryConfig
from almond.trajectories.find import TrajectoryFindings, TrajectoryRequest, find_trajectories
from almond.trajectories.settings import calibrated_settings


def trajectories_of_config(config: TrajectoryConfig, progress: Progress) -> TrajectoryFindings:
    """Find what a configuration asks for; pictures are kept in its ``output``.

    :raises InputError: a part of it cannot be loaded or driven.
    """
    progress.report(0.0, "loading")
    sources = load_sources(config)
    grid = config.grid
    request = TrajectoryRequest(
        generator=config.generator,
        prompts=config.prompts,
        seeds=config.seeds,
        targets=tuple(target.name for target in sources.guides),
        window=grid.window,
        ramp=grid.ramp,
        steps=grid.steps,
        rule=grid.rules[0],
        settings=calibrated_settings(config.trajectory, config.generator),
        people=config.people_reader,
    )
    return find_trajectories(
        request,
        generator=sources.generator,
        readers=named_readers(sources, world_judge=config.trajectory.world_judge),
        keep=config.output,
        progress=progress,
    )
