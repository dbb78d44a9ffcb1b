"""Features of a subject's runs: numbers on regular grids, in one space or several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_array, digest_json
from almond.encoding.bold.bids import Run
from almond.encoding.features.card import FeatureSpaceCard
from almond.progress import Progress
from almond.remarks import Remarks
from almond.typing import Floats


@dataclass(frozen=True)
class Scan:
    """What is needed of a run to lay features along it.

    ``n_volumes`` is the length of its time axis; volume j stands for j * TR + ``start_time`` seconds after
    the start of the run. ``uncensored`` (n_volumes,) marks the volumes that are analysed, None for all;
    ``confounds`` (n_volumes, k) are regressors to project out.
    """

    run: Run
    n_volumes: int
    tr: float
    uncensored: NDArray[np.bool_] | None = None
    confounds: Floats | None = None
    start_time: float = 0.0

    @property
    def times(self) -> Floats:
        """Seconds from the start of the run for which the volumes (n_volumes,) stand."""
        return self.start_time + self.tr * np.arange(self.n_volumes, dtype=np.float64)

    @property
    def seconds(self) -> float:
        return self.n_volumes * self.tr

    @property
    def n_uncensored(self) -> int:
        return self.n_volumes if self.uncensored is None else int(self.uncensored.sum())


@dataclass(frozen=True)
class Presentation:
    """The runs of one subject, what was shown in them, and how features of it are made.

    ``order``: that of alignment; features must fit each run's time (``sound``) or are stretched as one film.
    ``conditions``: those of the whole data set, so that all subjects get the same columns. ``stimuli``: the
    folder that ``stim_file`` starts from. ``cache``: the folder that keeps what a network gave. ``device``:
    where networks compute. ``remarks`` take what is doubtful about events and features.
    """

    scans: Sequence[Scan]
    order: str
    conditions: Sequence[str]
    stimuli: Path
    cache: Path
    progress: Progress
    device: str = "cpu"
    remarks: Remarks = field(default_factory=Remarks)


@dataclass(frozen=True)
class RunFeatures:
    """Features of one run, one row per ``interval`` seconds from ``start`` on, and where they came from.

    ``values`` are the features (n, D), or, with ``mixing`` (S, D), what has to be multiplied by it to give
    them: the time courses (n, S) of S stimuli, with a row of features for each. Everything on the way to
    predictors is linear, so that the product may be taken at the end, where there are fewer rows.
    """

    values: NDArray[np.floating[Any]]
    interval: float
    source: Path
    start: float = 0.0
    mixing: Floats | None = None

    @property
    def dimension(self) -> int:
        return int((self.values if self.mixing is None else self.mixing).shape[1])

    @property
    def digest(self) -> str:
        parts = [self.values] if self.mixing is None else [self.values, self.mixing]
        said = [digest_array(part) for part in parts]
        return said[0] if self.start == 0 and len(said) == 1 else digest_json([*said, self.start])

    def mixed(self, aligned: Floats) -> Floats:
        """Multiply aligned time courses (n, K S) by ``mixing``: aligned features (n, K D)."""
        if self.mixing is None:
            return aligned
        stimuli = len(self.mixing)
        parts = [
            aligned[:, first : first + stimuli] @ self.mixing for first in range(0, aligned.shape[1], stimuli)
        ]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Predictors:
    """The features of a subject's runs in one space.

    ``film``: the features (n_frames, D) of a film that all runs show as one, where they come as such.
    ``files``: names and digests of what they were read or computed from. ``digest``: which numbers they are.
    """

    card: FeatureSpaceCard
    runs: tuple[RunFeatures, ...]
    names: tuple[str, ...] = ()
    film: RunFeatures | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> Any:
        return self.film.digest if self.film is not None else [part.digest for part in self.runs]

    def whole(self) -> RunFeatures:
        """Join all runs to one film, one after the other where they are not one already."""
        if self.film is not None:
            return self.film
        first = self.runs[0]
        if any(part.mixing is not None for part in self.runs):
            values = [part.values if part.mixing is None else part.values @ part.mixing for part in self.runs]
        else:
            values = [part.values for part in self.runs]
        return RunFeatures(np.concatenate(values), first.interval, first.source)


def joined_card(predictors: Mapping[str, Predictors]) -> FeatureSpaceCard:
    """Describe all spaces side by side by one card; that of a single space stays as it is."""
    cards = [space.card for space in predictors.values()]
    if len(cards) == 1:
        return cards[0]
    digest = digest_json([[name, space.card.digest] for name, space in predictors.items()])
    return FeatureSpaceCard("+".join(predictors), digest, sum(card.dimension for card in cards))


def bands(predictors: Mapping[str, Predictors]) -> dict[str, slice]:
    """Map each space to its columns among the features side by side."""
    columns, first = {}, 0
    for name, space in predictors.items():
        columns[name] = slice(first, first + space.card.dimension)
        first += space.card.dimension
    return columns
