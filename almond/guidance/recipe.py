"""A recipe: everything that one generated image follows from. Light: the site reads recipes without torch."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.conditioning import AdapterPicture, ControlPicture
from almond.guidance.methods import Choice, setting_problems, settings_of
from almond.guidance.objectives import OBJECTIVES, WEIGHTED_SUM
from almond.guidance.penalties import PENALTIES
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.schedule import LARGEST_RAMP, Schedule, Window
from almond.guidance.searches import DEFAULT_SEARCH, FROM_PICTURES, SEARCHES
from almond.guidance.starting import INVERSION, StartPicture
from almond.rng import derive_seed
from almond.shapes import DifferentTexts, Number, OneOf, Shape, Text, Whole, read

FORMAT = "almond-recipe/1"
MAX_STEPS = 1000


class View(Shape):
    """How a predicted image is looked at before it is scored.

    ``blur``: standard deviation of a Gaussian as a share of the image's width; ``downsample``: side of the
    blocks of pixels that are averaged; ``copies``: how many shifted and mirrored copies are scored and
    averaged.
    """

    blur: Annotated[Number, Field(ge=0, le=0.25)] = 0.0
    downsample: Annotated[Whole, Field(ge=1, le=64)] = 1
    copies: Annotated[Whole, Field(ge=1, le=64)] = 1


class TextRelease(Shape):
    """Lower the text guidance late: from ``alpha_bar`` on, it has a ``share`` of its weight."""

    alpha_bar: Annotated[Number, Field(ge=0, le=1)] = 0.5
    share: Annotated[Number, Field(ge=0, le=1)] = 1.0


class Recipe(Shape):
    """One image: the same recipe gives the same bytes on the same machine.

    ``objective`` maps target names to weights; the image is guided along ``direction`` (+1 up, -1 down, 0 not
    at all) times the weighted sum of their standardised scores, as ``objective_kind`` has it; ``others`` are
    the targets that it holds. ``strength`` is unit-free (``strength_unit`` ``text``), or the factor of the
    scores in the exponent of exp(strength * V) (``law``); ``window`` is in alpha-bar. ``settings`` are
    numbers of rule, objective and search; ``penalties`` map names to their weight mu. ``start`` is a picture
    that is noised in part and denoised again, None noise; ``control`` and ``adapter`` are pictures that a
    ControlNet and an IP-Adapter follow; ``noise`` above 0 is another noise of the same seed, with the layout
    that an embedded generator draws for the seed. ``target_digests`` and ``generator_digest`` pin what it
    was made with.
    """

    prompt: Text
    seed: Annotated[int, Strict(), Field(ge=0)]
    generator: str
    generator_digest: str
    objective: dict[str, Number] = Field(default_factory=dict)
    target_digests: dict[str, str] = Field(default_factory=dict)
    direction: Annotated[Whole, Field(ge=-1, le=1)] = 0
    strength: Annotated[Number, Field(ge=0)] = 0.0
    window: tuple[Number, Number] = (0.0, 0.0)
    ramp: Annotated[Number, Field(ge=0, le=LARGEST_RAMP)] = 0.0
    rule: Annotated[str, OneOf(RULES)] = DEFAULT_RULE
    steps: Annotated[int, Strict(), Field(ge=1, le=MAX_STEPS)] = 25
    objective_kind: Annotated[str, OneOf(OBJECTIVES)] = WEIGHTED_SUM
    others: DifferentTexts = ()
    settings: dict[str, Number] = Field(default_factory=dict)
    penalties: dict[Annotated[str, OneOf(PENALTIES)], Annotated[Number, Field(ge=0)]] = Field(
        default_factory=dict
    )
    view: View = View()
    readers: Literal["mean", "worst"] = "mean"
    strength_unit: Literal["text", "law"] = "text"
    text_release: TextRelease = TextRelease()
    search: Annotated[str, OneOf(SEARCHES)] = DEFAULT_SEARCH
    start: StartPicture | None = None
    control: ControlPicture | None = None
    adapter: AdapterPicture | None = None
    noise: Annotated[Whole, Field(ge=0)] = 0

    def contradictions(self) -> Iterable[tuple[str, str]]:
        """Refuse a window that ends before it begins, a direction without a target, and settings that the
        chosen methods do not take."""
        low, high = self.window
        if not 0.0 <= low <= high <= 1.0:
            yield "window", f"is [{low}, {high}], not 0 <= low <= high <= 1 in alpha-bar"
        if self.direction and not any(self.objective.values()):
            yield "objective", "is empty; give a weight for at least one target"
        if self.start is not None and self.search not in FROM_PICTURES:
            yield "start", f"is a picture; the search {self.search} starts from noise"
        if self.start is not None and self.start.method == INVERSION and self.search == "best-of":
            yield "search", "best-of draws different noise, and inversion uses none"
        yield from OBJECTIVES.load(self.objective_kind).problems(self.objective, self.others)
        for name, problem in setting_problems(self.settings, self.methods):
            yield f"settings.{name}", problem

    @property
    def methods(self) -> tuple[Choice, ...]:
        """Return what was taken from each registry whose entries take settings."""
        return (RULES, self.rule), (OBJECTIVES, self.objective_kind), (SEARCHES, self.search)

    @property
    def full_settings(self) -> dict[str, float]:
        """Return the settings of the chosen methods, as declared where the recipe does not say."""
        return {
            name: self.settings.get(name, item.default) for name, item in settings_of(self.methods).items()
        }

    @property
    def noise_seed(self) -> int:
        """Return the seed of the image's noise: its own, unless it has another noise."""
        return derive_seed(self.seed, "noise", self.noise) if self.noise else self.seed

    @property
    def schedule(self) -> Schedule:
        return Schedule(Window(*self.window), self.strength, self.ramp)

    @property
    def guided(self) -> bool:
        """False where the recipe leaves the image as the generator alone makes it."""
        return self.direction != 0 and self.strength > 0 and not self.schedule.window.closed

    @property
    def compared(self) -> bool:
        """Whether guidance looks at the unguided picture of the same seed."""
        return self.guided and bool(self.others or self.penalties)

    @property
    def begun(self) -> tuple[Hashable, ...]:
        """Return what all images of one batch have in common, beside what their generator asks for."""
        start = self.start.digest if self.start else None
        pictures = (start, self.control, self.adapter)
        return (self.prompt, self.steps, self.search, self.text_release, pictures)

    @property
    def shared(self) -> tuple[Hashable, ...]:
        """Return what the guided images of one batch have in common; direction, strength, settings and window
        may differ."""
        penalties = tuple(sorted(self.penalties.items()))
        return (
            *(self.rule, self.objective_kind, penalties, self.view, self.readers),
            *(self.strength_unit, self.compared),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values with the format's name.

        Fields that came after the first recipes are left out where they say nothing, so that a recipe keeps
        the digest under which its image is stored.
        """
        values = self.model_dump(mode="json", exclude={"start": self.start.unset} if self.start else None)
        usual = Recipe.model_fields
        for name in LATER_FIELDS:
            if getattr(self, name) == usual[name].get_default(call_default_factory=True):
                del values[name]
        return {"format": FORMAT, **values}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Recipe:
        """Read :meth:`to_json`.

        :raises InputError: a wrong format; every unknown, missing or ill-typed field is named.
        """
        fields = dict(values)
        if (stored := fields.pop("format", None)) != FORMAT:
            raise InputError("recipe.format", f"is {stored!r}", FORMAT)
        return read(cls, fields, source="recipe")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_json(self.to_json())


LATER_FIELDS = (
    *("objective_kind", "others", "settings", "penalties", "view", "readers"),
    *("strength_unit", "text_release", "search", "start", "control", "adapter", "noise"),
)
