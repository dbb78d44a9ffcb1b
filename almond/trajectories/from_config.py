"""Trajectories of a configuration: generator, guides and judges loaded, then found."""

from __future__ import annotations

from almond.diagnosis.readers import TargetReader, WorldScorer, reader_of
from almond.generating.sources import Sources, load_sources
from almond.progress import Progress
from almond.targets.scorer import Scorer
from almond.trajectories.configuration import TrajectoryConfig
from almond.trajectories.find import TrajectoryFindings, TrajectoryRequest, find_trajectories


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
        settings=config.trajectory,
        people=config.people_reader,
    )
    return find_trajectories(
        request,
        generator=sources.generator,
        readers=named_readers(sources, world_judge=config.trajectory.world_judge),
        keep=config.output,
        progress=progress,
    )


def named_readers(sources: Sources, *, world_judge: bool) -> list[TargetReader]:
    """Return the guide, and as judge the named targets or the world's held-out network, if there is one."""
    names = [target.name for target in sources.guides]
    readers = [reader_of("guide", "guide", Scorer(sources.space, sources.guides), names)]
    if world_judge:
        readers.append(reader_of("the world's held-out network", "judge", WorldScorer(names), names))
    elif sources.judges:
        readers.append(reader_of("judge", "judge", Scorer(sources.space, sources.judges), names))
    return readers
