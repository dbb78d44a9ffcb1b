"""Simulated people whose psychology is declared: how strongly each construct, of any name, follows an image.

Person p sees in image i, for construct k, in standard deviations (SD) of one rating,

    x_pik = theme + scene + image + dose_i (own_ik effect_k + theme slope + person slope)

with the dose -1 to 1 (0: nothing was done to the image), ``own_ik`` 1 where the image was made for the
construct, and the other terms independent normal numbers with the standard deviations of
``almond.world.rater_model``. A rating is ``MIDDLE + noise x``, in the person's use of the scale, plus
``noise`` times a standard normal number. So of two images that lie one effect above and below their scene the
higher is chosen with probit ``sqrt(2) effect``, as in simulated studies of a design.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from almond.rng import generator
from almond.shapes import Flag, Number, Shape
from almond.typing import Floats
from almond.world.rater_model import RaterModel, RatingModel, Share
from almond.world.raters import FLOOR, SPAN, Latents, Rater, style_of

MIDDLE = 50.0
LARGEST_DECLARED = 5.0
"""Of an effect, in SD of one rating; upwards or downwards."""


class Psychology(Shape):
    """What is declared of simulated people."""

    effects: dict[str, Annotated[Number, Field(ge=-LARGEST_DECLARED, le=LARGEST_DECLARED)]] = Field(
        default={},
        description="construct -> how far an image that was guided up for it lies above its scene, in "
        "standard deviations of one rating; images guided down lie as far below",
    )
    noise: Annotated[Number, Field(gt=0, le=50)] = Field(
        default=RatingModel().points,
        description="standard deviation of one rating, in points of the 0 to 100 scale",
    )
    careless: Share = Field(
        default=RaterModel().careless, description="share of people who answer without looking"
    )
    drop_out: Annotated[Number, Field(ge=0, le=0.9)] = Field(
        default=RaterModel().drop_out, description="share of people who stop somewhere on the way"
    )
    null: Flag = Field(
        default=False, description="no effect of any construct; people and themes differ all the same"
    )

    def effect(self, construct: str) -> float:
        """Return the effect of a construct; 0 in the null, and for a construct of which nothing is said."""
        return 0.0 if self.null else self.effects.get(construct, 0.0)

    @property
    def size(self) -> float:
        """The mean size of the declared effects that are not 0; 0 where there are none."""
        sizes = [abs(value) for value in self.effects.values() if value]
        return 0.0 if self.null or not sizes else sum(sizes) / len(sizes)


class ImageFacts(NamedTuple):
    """What is known of an image: ``dose`` of what was done to it, and ``own`` (k,): how far that is what each
    construct asks for."""

    theme: str
    scene: str
    target: str
    dose: float
    own: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class DeclaredPercepts:
    """What people see in every image, for each construct (k,); ``common`` is what all see."""

    common: Mapping[str, Floats]
    images: Mapping[str, ImageFacts]
    constructs: int
    seed: int

    def __contains__(self, name: object) -> bool:
        return name in self.common

    def seen_by(self, number: int) -> Mapping[str, Latents]:
        """Return what participant ``number`` sees: targets do a little more or less to each person."""
        rng = generator(self.seed, "declared person", number)
        targets = sorted({row.target for row in self.images.values()})
        slopes = RatingModel().person_slope_sd * rng.standard_normal((len(targets), self.constructs))
        own = dict(zip(targets, slopes, strict=True))
        return {
            name: seen + self.images[name].dose * own[self.images[name].target]
            for name, seen in self.common.items()
        }


def declared_percepts(
    images: Mapping[str, ImageFacts], effects: Sequence[float], seed: int
) -> DeclaredPercepts:
    """Draw what people see in images; no draw depends on the effects.

    :param effects: (k,) of the constructs, in SD of one rating.
    """
    model, count = RatingModel(), len(effects)

    def drawn(kind: str, name: str, sd: float) -> Floats:
        return sd * generator(seed, kind, name).standard_normal(count)

    common = {}
    for name, row in images.items():
        seen = drawn("declared theme", row.theme, model.theme_sd)
        seen = seen + drawn("declared scene", row.scene, model.scene_sd)
        seen = seen + drawn("declared image", name, model.image_sd)
        slope = drawn("declared slope", f"{row.theme}\x1f{row.target}", model.theme_slope_sd)
        common[name] = seen + row.dose * (np.array(row.own) * np.array(effects) + slope)
    return DeclaredPercepts(common, images, count, seed)


class DeclaredRater(Rater):
    """Somebody with a declared psychology; percepts are what they see for each construct (k,)."""

    def __init__(self, rng: np.random.Generator, *, constructs: Sequence[str], points: float, **own: Any):
        super().__init__(rng, **own)
        self.places = {name: place for place, name in enumerate(constructs)}
        self.points = points

    def feel(self, percept: Latents, construct: str) -> float:
        """Return what is seen of a construct, in the units of ``Rater``."""
        return (MIDDLE - FLOOR + self.points * float(percept[self.places[construct]])) / SPAN


def declared_rater(
    rng: np.random.Generator, psychology: Psychology, constructs: Sequence[str], *, attentive: bool = False
) -> DeclaredRater:
    """Draw one participant.

    :param constructs: names of what percepts hold, in their order.
    :param attentive: somebody who looks, whatever share does not.
    """
    style = style_of(rng, psychology.careless)
    own: dict[str, Any] = {"constructs": constructs, "points": psychology.noise, "fatigue": 0.0, "lean": 0.0}
    if style == "careless" and not attentive:
        pace = float(rng.uniform(250, 600))
        return DeclaredRater(rng, gain=0.0, bias=35.0, noise=20.0, lapse=1.0, pace=pace, **own)
    model = RatingModel()
    return DeclaredRater(
        rng,
        gain=math.exp(model.scale_use_sd * rng.standard_normal()),
        bias=psychology.noise * model.person_sd * float(rng.standard_normal()),
        noise=psychology.noise,
        lapse=0.0,
        pace=2200.0 * math.exp(0.3 * rng.standard_normal()),
        **own,
    )


def leaves_after(rng: np.random.Generator, psychology: Psychology, trials: int) -> int | None:
    """Draw after how many trials somebody leaves; None for those who stay."""
    stays = rng.random() >= psychology.drop_out
    place = int(rng.integers(trials)) if trials else 0
    return None if stays else place
