"""The integer programme of one target's pairs: exact, by HiGHS through ``scipy.optimize.milp``.

Variables: one 0/1 per candidate picture, one 0/1 per base scene (a scene that is kept shows exactly one high
and one low picture; the number of kept scenes is fixed). Bounds of mean differences are linear, and so is
that both pictures of a pair are of one kind, and that none is the wrong way round.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack

from almond.errors import InputError
from almond.typing import Floats, Ints

GAP = 1e-3
NODES = 2_000
"""Where the solver stops: relative gap and nodes, not seconds, so that the machine does not matter."""

Names = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PairProgramme:
    """Candidates of one target: all arrays have one row per picture.

    ``scenes``, ``pictures``: names (n,); one picture may stand in several rows. ``signs``: +1 and -1 (n,).
    ``gain``: what choosing a picture adds (n,). ``nuisance``: (n, F) in standard deviations of the pool.
    ``pairs``: how many scenes are kept. ``kinds``: names (n,), such as of the people in a picture; both
    pictures of a pair are of one; None where anything goes.

    :raises InputError: fewer scenes with pictures of both directions, of one kind, than ``pairs``.
    """

    scenes: Names
    pictures: Names
    signs: Floats
    gain: Floats
    nuisance: Floats
    pairs: int
    kinds: Names | None = None

    def __post_init__(self) -> None:
        whole = len(self.scene_names)
        if not 1 <= self.pairs <= whole:
            alike = "" if self.kinds is None else " of one kind"
            raise InputError(
                "stimulus pool",
                f"has {whole} base scenes with a high and a low image{alike}, {self.pairs} are wanted",
                "at least as many scenes as are kept",
            )

    @cached_property
    def kind_of(self) -> Names:
        """Name the kind of every picture (n,); one for all where none are told apart."""
        return np.full(len(self.scenes), "") if self.kinds is None else self.kinds

    @cached_property
    def scene_names(self) -> tuple[str, ...]:
        """Name the base scenes that have pictures of both directions and one kind, sorted."""
        sides = [
            set(zip(self.scenes[self.signs == sign], self.kind_of[self.signs == sign], strict=True))
            for sign in (1, -1)
        ]
        return tuple(sorted({str(scene) for scene, _ in sides[0] & sides[1]}))

    @cached_property
    def alike_share(self) -> float:
        """Share of the high and low pictures of one scene that are of one kind; 1 where none are known."""
        alike, total = 0, 0
        for scene in set(self.scenes):
            kinds = [self.kind_of[(self.scenes == scene) & (self.signs == sign)] for sign in (1, -1)]
            alike += int((kinds[0][:, None] == kinds[1][None, :]).sum())
            total += len(kinds[0]) * len(kinds[1])
        return alike / total if total else 1.0

    @cached_property
    def upright(self) -> bool:
        """Whether no pair may be the wrong way round, its low picture above its high one: where scenes may be
        dropped, and enough of them have another pair."""
        return self.pairs < len(self.scene_names) and self._upright_scenes() >= self.pairs

    def _upright_scenes(self) -> int:
        count = 0
        for scene in self.scene_names:
            sides = [(self.scenes == scene) & (self.signs == sign) for sign in (1, -1)]
            alike = self.kind_of[sides[0]][:, None] == self.kind_of[sides[1]][None, :]
            gains = self.gain[sides[0]][:, None] + self.gain[sides[1]][None, :]
            differ = self.pictures[sides[0]][:, None] != self.pictures[sides[1]][None, :]
            count += bool((gains[alike & differ] >= 0).any())
        return count

    @cached_property
    def difference(self) -> Floats:
        """Coefficients (F, n) of the mean pair difference of each quantity."""
        rows: Floats = (self.nuisance * self.signs[:, None]).T / self.pairs
        return rows

    @cached_property
    def structure(self) -> LinearConstraint:
        """One high and one low picture of every kept scene, of one kind, ``pairs`` scenes kept, no picture
        twice in a pair, and no pair the wrong way round where that is possible."""
        count, names = len(self.scenes), self.scene_names
        rows: list[Floats] = []
        for place, scene in enumerate(names):
            for sign in (1, -1):
                row = np.zeros(count + len(names))
                row[:count][(self.scenes == scene) & (self.signs == sign)] = 1.0
                row[count + place] = -1.0
                rows.append(row)
        low, high = [0.0] * len(rows), [0.0] * len(rows)
        rows.append(np.r_[np.zeros(count), np.ones(len(names))])
        low, high = [*low, float(self.pairs)], [*high, float(self.pairs)]
        for alike in self._of_one_kind():
            rows.append(np.r_[np.where(alike, self.signs, 0.0), np.zeros(len(names))])
            low, high = [*low, 0.0], [*high, 0.0]
        for scene in names if self.upright else ():
            rows.append(np.r_[np.where(self.scenes == scene, self.gain, 0.0), np.zeros(len(names))])
            low, high = [*low, 0.0], [*high, np.inf]
        for members in self._same_picture():
            row = np.zeros(count + len(names))
            row[members] = 1.0
            rows.append(row)
            low, high = [*low, 0.0], [*high, 1.0]
        return LinearConstraint(csr_array(np.array(rows)), low, high)

    def _of_one_kind(self) -> Iterator[np.ndarray[Any, np.dtype[np.bool_]]]:
        """Yield the pictures of a scene and kind (n,): as many high as low ones are chosen of them."""
        for scene in self.scene_names:
            here = self.scenes == scene
            kinds = sorted(set(self.kind_of[here]))
            for kind in kinds if len(kinds) > 1 else ():
                yield here & (self.kind_of == kind)

    def _same_picture(self) -> Iterator[Ints]:
        """Yield rows of high and low images of a scene that are one picture: at most one is chosen."""
        for scene in self.scene_names:
            here = self.scenes == scene
            for picture in sorted(set(self.pictures[here])):
                members = np.flatnonzero(here & (self.pictures == picture))
                if len(set(self.signs[members])) > 1:
                    yield members

    @cached_property
    def _bounds(self) -> Bounds:
        """Pictures of scenes that lack a direction can never be chosen."""
        usable = np.isin(self.scenes, self.scene_names).astype(float)
        return Bounds(0.0, np.r_[usable, np.ones(len(self.scene_names))])

    def solve(self, limits: Floats | None, *, contrast: bool = True) -> Ints | None:
        """Return rows of the chosen pictures, or None where the limits cannot be met.

        :param limits: of the mean difference of each quantity (F,); None for no limit.
        :param contrast: choose the largest gain; without, any choice within the limits, which is quicker.
        """
        count = len(self.scenes)
        constraints = [self.structure]
        if limits is not None:
            wide = csr_array((self.nuisance.shape[1], len(self.scene_names)))
            matrix = hstack([csr_array(self.difference), wide]).tocsr()
            constraints.append(LinearConstraint(matrix, -limits, limits))
        scenes = np.zeros(len(self.scene_names))
        solution = milp(
            np.r_[-self.gain if contrast else np.zeros(count), scenes],
            constraints=constraints,
            integrality=np.ones(count + len(scenes)),
            bounds=self._bounds,
            options={"mip_rel_gap": GAP, "node_limit": NODES},
        )
        return None if solution.x is None else np.flatnonzero(solution.x[:count] > 0.5)

    def excess(self, limits: Floats) -> Floats | None:
        """Return by how much each limit (F,) is exceeded, as a share of it, where the sum is smallest.

        All zeros where the limits can be met; None where the solver finds no choice of pictures at all.
        """
        count, scenes, features = len(self.scenes), len(self.scene_names), len(limits)
        structure = hstack([self.structure.A, csr_array((self.structure.A.shape[0], features))]).tocsr()
        scaled = csr_array(self.difference / limits[:, None])
        empty, one = csr_array((features, scenes)), csr_array(np.eye(features))
        solution = milp(
            np.r_[np.zeros(count + scenes), np.ones(features)],
            constraints=[
                LinearConstraint(structure, self.structure.lb, self.structure.ub),
                LinearConstraint(hstack([scaled, empty, -one]).tocsr(), -np.inf, 1.0),
                LinearConstraint(hstack([-scaled, empty, -one]).tocsr(), -np.inf, 1.0),
            ],
            integrality=np.r_[np.ones(count + scenes), np.zeros(features)],
            bounds=Bounds(0.0, np.r_[self._bounds.ub, np.full(features, np.inf)]),
            options={"mip_rel_gap": 0.05, "node_limit": NODES},
        )
        return None if solution.x is None else np.maximum(solution.x[count + scenes :], 0.0)

    def sides(self, chosen: Ints) -> tuple[Ints, Ints]:
        """Split chosen rows into high and low ones, both in the order of the scenes' names."""
        ordered = chosen[np.argsort(self.scenes[chosen], kind="stable")]
        return ordered[self.signs[ordered] > 0], ordered[self.signs[ordered] < 0]
