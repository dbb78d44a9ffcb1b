"""Draw orders of images in which whole themes change places, and what belongs together stays together.

Images of a theme are alike for reasons of their own, and so are those of a theme that were guided for one
target; an image guided up and one guided down may differ for a reason of this theme and target. In every
draw a theme takes the images of another theme, each target those of a randomly drawn target of that theme,
and the two directions may change places, for all images of a target at once. Photographs, each a block of its
own, come in random order, as in ``almond.stats.permutation.theme_orders``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from almond.stats.permutation import Labels, Order, shuffles

BATCH = 256


class BlockOrders:
    """Orders of n images, drawn by theme, block within the theme, and direction within the block.

    :param themes: (n,). :param blocks: (n,) such as intended targets; images of a theme without one are
        blocks of their own. :param directions: (n,) -1 for images guided down, anything else otherwise.
    """

    def __init__(self, themes: Labels, blocks: Labels, directions: Labels) -> None:
        self.theme = np.unique(np.asarray(themes), return_inverse=True)[1].reshape(-1)
        self.side = (np.asarray(directions) == -1).astype(np.intp)
        labels = np.asarray(blocks).astype(str)
        alone = labels == ""
        count = len(labels)
        self.block = np.zeros(count, dtype=np.intp)
        self.blocks = np.zeros(int(self.theme.max()) + 1, dtype=np.intp)
        for theme in range(len(self.blocks)):
            rows = np.flatnonzero(self.theme == theme)
            own = np.where(alone[rows], rows.astype(str), np.char.add("target ", labels[rows]))
            names, place = np.unique(own, return_inverse=True)
            self.block[rows], self.blocks[theme] = place.reshape(-1), len(names)
        self._list_members()

    def _list_members(self) -> None:
        """List the images of every theme, block and side, and number each image among those."""
        shape = (len(self.blocks), int(self.blocks.max()), 2)
        self.size = np.zeros(shape, dtype=np.intp)
        self.rank = np.zeros(len(self.theme), dtype=np.intp)
        for image, cell in enumerate(zip(self.theme, self.block, self.side, strict=True)):
            self.rank[image] = self.size[cell]
            self.size[cell] += 1
        self.members = np.zeros((*shape, int(self.size.max())), dtype=np.int32)
        self.members[self.theme, self.block, self.side, self.rank] = np.arange(len(self.theme))

    def draw(self, count: int, rng: np.random.Generator) -> Order:
        """Draw ``count`` orders (count, n); where themes differ in size, images may come again."""
        themes, most = self.size.shape[:2]
        donors = shuffles(np.arange(themes), count, rng)
        keys = rng.random((count, themes, most))
        keys[:, np.arange(most) >= self.blocks[:, None]] = np.inf
        mixed = np.argsort(keys, axis=2)
        turned = rng.integers(0, 2, size=(count, themes, most))
        draw = np.arange(count)[:, None]
        source = donors[:, self.theme]
        block = mixed[draw, source, self.block % self.blocks[source]]
        side = self.side ^ turned[draw, source, block]
        side = np.where(self.size[source, block, side] > 0, side, 1 - side)
        order: Order = self.members[source, block, side, self.rank % self.size[source, block, side]]
        return order

    def batches(self, count: int, rng: np.random.Generator) -> Iterator[Order]:
        """Draw ``count`` orders in batches that fit into memory."""
        for start in range(0, count, BATCH):
            yield self.draw(min(BATCH, count - start), rng)
