"""Who is in a picture, and whether guidance kept them: what a reader of scenes sees beside the base picture.

Guidance may fill a street or empty it; a change of the people is a change of the scene. It is found by a
reader that takes no part in guidance, and mended by rejection: pictures whose people differ from those of
the unguided picture of their scene. Light: a reader is loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from almond.guidance.generators import GENERATORS
from almond.registry import Registry
from almond.typing import ImageArray

PEOPLE = "presence"
"""The attribute that says who is there, such as ``nobody``, ``one`` or ``group``."""


class SceneReader(Protocol):
    """Reads attributes of pictures in words, ``presence`` among them."""

    def __call__(self, images: Sequence[ImageArray]) -> list[dict[str, str]]:
        """Read images (H, W, 3) uint8: attribute -> value of each."""


SCENE_READERS: Registry[Callable[[], SceneReader]] = Registry(
    "reader of scenes",
    {
        "world-judge": (
            "almond.generating.world_scenes:open_world_reader",
            "the simulated world's held-out network, for pictures of its embedded generators",
        )
    },
)
"""Who can say which people a picture shows. A reader for photographs is one more module and one more line."""

WORLD_READER = "world-judge"

NOT_CHECKED = (
    "Whether the people of a scene are kept was not checked: no reader of pictures was named (`people`), and "
    "the one that comes with Almond reads scenes of the simulated world alone."
)


def refusal_of_reader(reader: str, generator: str) -> str:
    """Say why a reader cannot read the pictures of a generator, by their names; empty where it may."""
    if reader == WORLD_READER and generator not in GENERATORS.names():
        return f"is {reader}, which reads scenes of the simulated world; {generator} draws others"
    return ""


def usual_reader(generator: str) -> str | None:
    """Return the reader of an embedded generator's scenes; None for any other generator."""
    return WORLD_READER if generator in GENERATORS.names() else None


@dataclass(frozen=True)
class PeopleShare:
    """How many guided pictures show the people of their scene's unguided picture."""

    reader: str
    pictures: int
    same: int

    @property
    def share(self) -> float | None:
        """Return the share in [0, 1]; None without pictures."""
        return self.same / self.pictures if self.pictures else None

    @property
    def sentence(self) -> str:
        """Say it for a person."""
        if not self.pictures:
            return "No guided picture stands beside the unguided one of its scene."
        return (
            f"The people of the scene were kept in {self.same} of {self.pictures} guided pictures "
            f"({100 * self.same / self.pictures:.0f} %, as read by {self.reader})."
        )


def same_people(read: Mapping[str, str], base: Mapping[str, str]) -> bool:
    """Tell whether two readings name the same people."""
    return read[PEOPLE] == base[PEOPLE]
