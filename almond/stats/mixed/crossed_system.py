"""Products of a random design with many rows, whose largest factor is eliminated.

Rows touch a single level of each factor, so that the effects of the largest one, often the participants, are
coupled only within its levels:

    H = [[D, C], [C', E]],    D block-diagonal with one small block per level

and the Schur complement S = E - C' D^-1 C has the size of the other factors alone (Bates et al., 2015, J.
Stat. Softw. 67(1), section 3). Z'WZ is one product of a sparse matrix with the weights, made once per design:
W alone changes between the steps to the modes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from almond.stats.mixed.penalised_systems import Change, Rows, pull_of, refuse_runaway
from almond.stats.mixed.random_effects import RandomDesign
from almond.typing import Floats, Ints


@dataclass
class Blocks:
    """A symmetric matrix over the effects: ``own`` (L, w, w) of the eliminated factor's levels, ``cross``
    (L w, r) and ``rest`` (r, r)."""

    own: Floats
    cross: Floats
    rest: Floats


class EntryLayout:
    """Where the entries of the cross-product lie: which effects are eliminated, and the places of the rest.

    ``entries`` (m,): the distinct products of two slots of a row, as row times effects plus column. ``order``
    (m,) sorts them: of the eliminated factor, between it and the others, of the others.
    """

    def __init__(self, design: RandomDesign, entries: Ints) -> None:
        self.largest = max(design.blocks, key=lambda block: block.stop - block.start)
        start, stop = self.largest.start, self.largest.stop
        self.eliminated = slice(start, stop)
        self.others = tuple(block for block in design.blocks if block is not self.largest)
        self.rest: Ints = np.concatenate([np.arange(0, start), np.arange(stop, design.effects)])
        self.levels, self.width, self.size = len(self.largest.levels), self.largest.width, len(self.rest)
        row, column = np.divmod(entries, design.effects)
        inside = [(effect >= start) & (effect < stop) for effect in (row, column)]
        kind = 2 - inside[0] - inside[1].astype(np.intp)
        self.order: Ints = np.argsort(kind, kind="stable")
        ends = np.searchsorted(kind[self.order], [0, 1, 2, 3])
        self.parts = [slice(first, last) for first, last in itertools.pairwise(ends)]
        # Effects of the eliminated factor count from its start, the others without it.
        place = np.empty(design.effects, np.intp)
        place[start:stop], place[self.rest] = np.arange(stop - start), np.arange(self.size)
        first, second = place[row[self.order]], place[column[self.order]]
        own, cross, rest = self.parts
        width, swapped = self.width, inside[1][self.order][cross]
        level = first[own] // width * width
        self.own = first[own] * width + second[own] % width, second[own] * width + first[own] - level
        above = np.where(swapped, second[cross], first[cross])
        self.cross = above * self.size + np.where(swapped, first[cross], second[cross])
        self.of_rest = tuple(
            pair[0] * self.size + pair[1]
            for pair in ((first[rest], second[rest]), (second[rest], first[rest]))
        )

    def blocks(self, entries: Floats) -> Blocks:
        """Arrange the values (m,) of the entries, in their order."""
        own = np.zeros(self.levels * self.width * self.width)
        cross, rest = np.zeros(self.levels * self.width * self.size), np.zeros(self.size * self.size)
        cross[self.cross] = entries[self.parts[1]]
        for places, others in zip(self.own, self.of_rest, strict=True):
            own[places], rest[others] = entries[self.parts[0]], entries[self.parts[2]]
        return Blocks(
            own.reshape(self.levels, self.width, self.width),
            cross.reshape(self.levels * self.width, self.size),
            rest.reshape(self.size, self.size),
        )

    def entries(self, blocks: Blocks) -> Floats:
        """Return the values (m,) of the entries, in their order, as ``blocks`` arranged them."""
        parts = (blocks.own, self.own[0]), (blocks.cross, self.cross), (blocks.rest, self.of_rest[0])
        return np.concatenate([values.ravel()[places] for values, places in parts])

    def joined(self, own: Floats, rest: Floats) -> Floats:
        """Join values of the eliminated effects and of the others (effects,)."""
        whole = np.empty(len(own) + len(rest))
        whole[self.eliminated], whole[self.rest] = own, rest
        return whole


class CrossedFactor:
    """H by its blocks: D^-1, X = D^-1 C and the Cholesky factor of S = E - C'X; ``product`` is Z'WZ."""

    def __init__(self, layout: EntryLayout, penalised: Blocks, product: Blocks) -> None:
        self.layout, self.product = layout, product
        self.inverse_own: Floats = np.asarray(np.linalg.inv(penalised.own), np.float64)
        cross = penalised.cross.reshape(layout.levels, layout.width, layout.size)
        self.ratio: Floats = (self.inverse_own @ cross).reshape(penalised.cross.shape)
        # |H| = |D| |S|
        schur = penalised.rest - penalised.cross.T @ self.ratio
        self.triangle = cho_factor(schur, lower=True, check_finite=False) if layout.size else None
        self.half_log_determinant = 0.5 * float(np.linalg.slogdet(penalised.own)[1].sum())
        if self.triangle is not None:
            self.half_log_determinant += float(np.log(np.diag(self.triangle[0])).sum())

    def solve_schur(self, right: Floats) -> Floats:
        """Return S^-1 right."""
        if self.triangle is None:
            return right
        solved: Floats = cho_solve(self.triangle, right, check_finite=False)
        return solved

    def solve(self, right: Floats) -> Floats:
        layout = self.layout
        own, rest = right[layout.eliminated], right[layout.rest]
        # y_rest = S^-1 (b_rest - X' b_own), y_own = D^-1 b_own - X y_rest
        solved = self.solve_schur(rest - self.ratio.T @ own)
        first = (self.inverse_own @ own.reshape(layout.levels, layout.width, 1)).ravel()
        return layout.joined(first - self.ratio @ solved, solved)

    def inverse(self) -> Blocks:
        """Return H^-1, of the eliminated factor the blocks on the diagonal alone."""
        layout = self.layout
        rest = self.solve_schur(np.eye(layout.size))
        cross = -self.ratio @ rest
        # D^-1 + X S^-1 X' = D^-1 - (H^-1)_cross X'
        shape = (layout.levels, layout.width, layout.size)
        own = self.inverse_own - cross.reshape(shape) @ self.ratio.reshape(shape).transpose(0, 2, 1)
        return Blocks(own, cross, rest)


class CrossedSystem:
    """Sparse products, H by its blocks."""

    def __init__(self, design: RandomDesign, title: str) -> None:
        self.design, self.title = design, title
        rows, slots = design.values.shape
        at = (np.repeat(np.arange(rows), slots), design.indices.ravel())
        self.z = csr_array((design.values.ravel(), at), shape=(rows, design.effects))
        self.z_transposed = self.z.T.tocsr()
        entries, entry = np.unique(design.flat, return_inverse=True)
        self.layout = EntryLayout(design, entries)
        row, column = np.divmod(entries[self.layout.order], design.effects)
        self.twice: Floats = np.where(row == column, 1.0, 2.0)
        products = design.values[:, design.first] * design.values[:, design.second]
        at = (np.argsort(self.layout.order)[entry.reshape(-1)], np.repeat(np.arange(rows), products.shape[1]))
        # (Z'WZ)[j, k] = sum over rows i of w_i z_ij z_ik = (pairs w)[jk]
        self.pairs = csr_array((products.ravel(), at), shape=(len(entries), rows))
        self.pairs_transposed = self.pairs.T.tocsr()
        self.place(design.start())

    def place(self, theta: Floats) -> None:
        self.factors = {block.name: block.factor(theta) for block in self.design.blocks}
        scales = [
            np.tile(np.diag(self.factors[block.name]), len(block.levels)) for block in self.design.blocks
        ]
        self.scales: Floats = np.concatenate(scales)
        self.diagonal = all(np.array_equal(t, np.diag(np.diag(t))) for t in self.factors.values())

    def turned(self, columns: Floats, *, rest: bool = False, back: bool = False) -> Floats:
        """Return ``columns`` (m, effects) times Lambda, or times its transpose.

        :param rest: the columns are those of all effects but the eliminated ones.
        """
        if self.diagonal:
            return np.asarray(columns * (self.scales[self.layout.rest] if rest else self.scales), np.float64)
        parts, start = [], 0
        for block in self.layout.others if rest else self.design.blocks:
            size, factor = block.stop - block.start, self.factors[block.name]
            part = columns[:, start : start + size].reshape(len(columns), -1, block.width)
            parts.append((part @ (factor.T if back else factor)).reshape(len(columns), size))
            start += size
        return np.hstack(parts) if parts else columns

    def turned_both(self, blocks: Blocks, *, back: bool = False) -> Blocks:
        """Return Lambda' M Lambda of a symmetric matrix, or Lambda M Lambda'."""
        layout = self.layout
        own = self.factors[layout.largest.name]
        own = own.T if back else own
        cross = self.turned(blocks.cross, rest=True, back=back)
        cross = own.T @ cross.reshape(layout.levels, layout.width, layout.size)
        rest = self.turned(self.turned(blocks.rest, rest=True, back=back).T, rest=True, back=back)
        return Blocks(own.T @ blocks.own @ own, cross.reshape(blocks.cross.shape), rest)

    def times(self, effects: Floats) -> Floats:
        # B u = Z (Lambda u)
        turned: Floats = self.z @ self.turned(effects[None], back=True)[0]
        return turned

    def transposed(self, rows: Floats) -> Floats:
        sums: Floats = self.turned((self.z_transposed @ rows)[None])[0]
        return sums

    def factor(self, weights: Floats) -> CrossedFactor:
        entries = self.pairs @ weights
        refuse_runaway(entries, self.title)
        product = self.layout.blocks(entries)
        # H = Lambda' Z'WZ Lambda + I
        penalised = self.turned_both(product)
        penalised.own[:] += np.eye(self.layout.width)
        penalised.rest[np.diag_indices_from(penalised.rest)] += 1.0
        return CrossedFactor(self.layout, penalised, product)

    def change(self, factor: CrossedFactor, rows: Rows, effects: Floats) -> Change:
        inverse = factor.inverse()
        # leverage_i = z_i' (Lambda H^-1 Lambda') z_i, every pair of different slots counted twice
        entries = self.layout.entries(self.turned_both(inverse, back=True))
        leverage: Floats = self.pairs_transposed @ (self.twice * entries)
        pull = pull_of(leverage, rows)
        # The modes move with the parameters by -H^-1 dg, so that the adjoint a = H^-1 B' pull carries their
        # part: rows = residual + pull - W B a.
        adjoint = factor.solve(self.transposed(pull))
        moved = self.times(adjoint)
        by_rows = rows.residual + pull - rows.weights * moved
        sums = self.z_transposed @ by_rows, self.z_transposed @ rows.residual
        by_theta = []
        products = self._products(factor.product, inverse)
        for block in self.design.blocks:
            own = slice(block.start, block.stop)
            u, a, given, left = (values[own].reshape(-1, block.width) for values in (effects, adjoint, *sums))
            # By T[row, column]: (Z' rows)_row u_column + (Z'WZ Lambda H^-1)_row,column
            #   - (Z' residual)_row a_column, summed over levels.
            whole = given.T @ u + products[block.name] - left.T @ a
            by_theta += [whole[row, column] for row, column in block.parameters]
        return Change(by_rows, leverage, moved, np.array(by_theta))

    def _products(self, product: Blocks, inverse: Blocks) -> dict[str, Floats]:
        """Return Z'WZ Lambda H^-1 of every term (w, w), its diagonal blocks summed over the levels."""
        layout = self.layout
        own, shape = self.factors[layout.largest.name], (layout.levels, layout.width, layout.size)
        cross = self.turned(product.cross, rest=True)
        sums = {
            layout.largest.name: np.einsum("lab,lbc->ac", product.own @ own, inverse.own)
            + np.einsum("lar,lbr->ab", cross.reshape(shape), inverse.cross.reshape(shape))
        }
        by_own = (own.T @ product.cross.reshape(shape)).reshape(product.cross.shape).T
        by_rest = self.turned(product.rest, rest=True)
        start = 0
        for block in layout.others:
            stop = start + block.stop - block.start
            sums[block.name] = np.array(
                [
                    [
                        float(
                            np.vdot(by_own[start + row : stop : block.width], inverse.cross.T[column_of])
                            + np.vdot(by_rest[start + row : stop : block.width], inverse.rest[column_of])
                        )
                        for column in range(block.width)
                        for column_of in [slice(start + column, stop, block.width)]
                    ]
                    for row in range(block.width)
                ]
            )
            start = stop
        return sums
