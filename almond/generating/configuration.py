"""The YAML file of ``python -m almond generate CONFIG``: what to draw, from which targets, how guided.

    python -m almond generate examples/generate.yaml              # all of it, into `output`
    python -m almond generate examples/generate.yaml --shard 2/4  # one of four shares, for a Slurm array

The file names a generator, the feature space, the targets that guide and the judges that only score, prompts,
seeds and a grid of rules, objectives, strengths and directions; every combination is one image. Targets are
files of ``almond.targets`` (``target_folder``) or are made of fitted encoders (``encoders``, with
``reference`` images over which their scores have mean 0 and standard deviation 1). Relative paths start at
the file's folder. All errors are reported at once, each with its dotted path. Light: no torch.

Commands that go on from here (a diagnosis, a matched set) read the same file by subclassing
:class:`GenerationConfig`, load what it names by ``almond.generating.sources``, and expand it by
:func:`planned_images`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BeforeValidator, Field, ValidationInfo

from almond.described import DescribedShape
from almond.encoding.config.features import FeatureSpec
from almond.encoding.config.paths import BASE, ExistingFolder, ResolvedPath, resolved_path
from almond.errors import InputError
from almond.generating.expand import UP_AND_DOWN, GuidanceGrid, Planned, recipes_of_scene
from almond.generating.people import SCENE_READERS, refusal_of_reader, usual_reader
from almond.generating.photograph import (
    AdapterSource,
    ControlSource,
    StartSource,
    pictures_of_scenes,
    turned_recipes,
    wrong_pictures,
)
from almond.guidance.added.store import defaults_for, find_added
from almond.guidance.conditioning import RecipePictures
from almond.guidance.generators import DEFAULT_GENERATOR, GENERATORS, known_generators
from almond.guidance.methods import Choice, setting_problems
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.recipe import MAX_STEPS
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.schedule import LARGEST_RAMP
from almond.shapes import DifferentTexts, Flag, Number, OneOf, Text, Whole, read, repeated, shown
from almond.world.prompts import parse_prompt

RANGE = re.compile(r"(\d{1,9})-(\d{1,9})")
MOST_SEEDS_IN_A_RANGE = 100_000


def generator_path(value: object, info: ValidationInfo) -> str:
    """Keep the name of an embedded generator or an added model; resolve the folder of any other, with its
    ``#Scheduler``."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"is {shown(value)}, not {known_generators('the folder of a pipeline')}")
    folder, mark, scheduler = value.partition("#")
    if value in GENERATORS.names() or find_added(folder) is not None:
        return value
    path = resolved_path(folder, info)
    if not os.path.isdir(path):
        raise ValueError(
            f"is {shown(value)}; {path} is no folder; expected {known_generators('a pipeline folder')}"
        )
    return f"{path}{mark}{scheduler}"


def spread_seeds(value: object) -> object:
    """Write out ranges such as ``1-4`` in a list of seeds."""
    if not isinstance(value, list | tuple):
        return spread_seeds([value]) if isinstance(value, int | str) else value
    seeds: list[object] = []
    for part in value:
        ends = RANGE.fullmatch(part) if isinstance(part, str) else None
        if ends is None:
            seeds.append(part)
            continue
        first, last = int(ends[1]), int(ends[2])
        if not first <= last < first + MOST_SEEDS_IN_A_RANGE:
            raise ValueError(f"{part!r} is no range of at most {MOST_SEEDS_IN_A_RANGE} seeds")
        seeds += range(first, last + 1)
    return seeds


def target_named(value: object) -> object:
    """Read a bare name as the target of that name."""
    return {"name": value} if isinstance(value, str) else value


class TargetSource(DescribedShape):
    """A target by its name: one of ``target_folder``, or made of a region's encoders."""

    name: Text
    """under which it is scored; a bare name in the list is short for `{name: NAME}`"""
    region: Text | None = None
    """of fitted encoders in `encoders`: their mean weights are the target"""
    subjects: DifferentTexts = ()
    """whose encoders these are; all of them unless given"""
    model: Text | None = None
    """the encoding model, where the folder holds several"""


class ReferenceImages(DescribedShape):
    """Images over which the scores of targets made of encoders have mean 0 and standard deviation 1."""

    images: ExistingFolder | None = None
    """a folder of images"""
    scenes: Annotated[Whole, Field(ge=2)] | None = None
    """instead: so many random scenes of the simulated world"""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """of these scenes"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if (self.images is None) == (self.scenes is None):
            yield "", "give either a folder of images or a number of scenes"


class RankingSection(DescribedShape):
    """Which guided images are laid out, the best first."""

    keep: Annotated[Whole, Field(ge=1, le=1000)] = 24
    """images of every target"""
    per_scene: Annotated[Whole, Field(ge=1)] = 1
    """of one prompt and seed, at the most, so that the list is not one scene"""
    towards: Literal[1, -1] = 1
    """1 ranks the highest scores first, -1 the lowest"""
    flawed: Flag = False
    """keep images that are blank, clipped, speckled or blocky; otherwise they are named among the rejected"""
    keep_people: Flag = False
    """reject images that show other people than the unguided image of their scene"""


Strength = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
BatchSize = Annotated[Whole, Field(ge=1, le=1024)] | Literal["auto"] | None
Sources = tuple[Annotated[TargetSource, BeforeValidator(target_named)], ...]


class GenerationConfig(DescribedShape):
    """What ``python -m almond generate`` makes: every prompt x seed, unguided and by the grid."""

    generator: Annotated[str, BeforeValidator(generator_path)] = DEFAULT_GENERATOR
    """an embedded generator, or the folder of a diffusers pipeline (`FOLDER#EulerDiscreteScheduler` drives it
    with another scheduler)"""
    features: FeatureSpec
    """the feature space that the targets are directions in, as in a fit"""
    target_folder: ExistingFolder | None = None
    """of target files, such as those of `python -m almond demo --keep`"""
    encoders: ExistingFolder | None = None
    """of encoder artifacts, as `python -m almond fit` wrote it"""
    reference: ReferenceImages | None = None
    """needed for targets that are made of encoders"""
    targets: Annotated[Sources, Field(min_length=1)]
    """the guides, by name"""
    judges: Sources = ()
    """targets that score every image and never guide"""
    prompts: Annotated[DifferentTexts, Field(min_length=1)]
    """one or more"""
    seeds: Annotated[
        tuple[Annotated[Whole, Field(ge=0)], ...], BeforeValidator(spread_seeds), Field(min_length=1)
    ]
    """whole numbers and ranges, such as `[1-4, 9]`; each is one scene of every prompt"""
    rules: Annotated[tuple[Annotated[str, OneOf(RULES)], ...], Field(min_length=1)] = (DEFAULT_RULE,)
    """guidance rules"""
    objectives: Annotated[tuple[Annotated[str, OneOf(OBJECTIVES)], ...], Field(min_length=1)] = (
        DEFAULT_OBJECTIVE,
    )
    """kinds of objectives: `clamp` holds the others, `contrast` climbs the target rather than them, `alone`
    whatever they do, `level` seeks the score in `settings`"""
    settings: dict[str, Number] = Field(default_factory=dict)
    """numbers of rules and objectives by name, such as `{level: 1.5}`; docs/guidance.md lists them"""
    strengths: Annotated[tuple[Strength, ...], Field(min_length=1)] | None = None
    """unit-free, each above 0; as calibrated for the generator unless given"""
    directions: Annotated[tuple[Literal[1, -1], ...], Field(min_length=1)] = UP_AND_DOWN
    """1 towards higher scores, -1 towards lower ones"""
    window: tuple[Share, Share] | None = None
    """alpha-bar between which guidance acts; as calibrated unless given"""
    ramp: Annotated[Number, Field(ge=0, le=LARGEST_RAMP)] | None = None
    """share of the window over which guidance fades in and out; as calibrated unless given"""
    steps: Annotated[Whole, Field(ge=1, le=MAX_STEPS)] | None = None
    """of the sampler; as calibrated unless given"""
    start: StartSource | None = None
    """a picture that goes back to a noise level and is denoised again, `{photograph: FILE, strength: 0.6}`,
    or `{scene: {place: room, ...}, alpha_bar: 0.3}` of the simulated world; noise unless given"""
    control: ControlSource | None = None
    """a ControlNet and the picture whose layout it follows: `{model: FOLDER, picture: FILE}`"""
    adapter: AdapterSource | None = None
    """an IP-Adapter and the picture whose contents it follows: `{weights: FILE, encoder: FOLDER, picture:
    FILE}`"""
    batch: BatchSize = None
    """images of a pipeline that are computed together: a number, or `auto` for the most that `memory` holds,
    measured by trial; 1 unless given. With another number the last bits of a picture differ"""
    memory: Annotated[Number, Field(gt=0)] | None = None
    """GiB that `batch: auto` may take; nine tenths of the card unless given, needed without one"""
    base: Flag = True
    """also make the unguided image of every scene"""
    people: Annotated[str, OneOf(SCENE_READERS)] | None = None
    """reader that says whether guidance kept the people of a scene; unless given, `world-judge` for embedded
    generators and nobody for others"""
    rank: RankingSection | None = None
    """also rank the guided images of every target by their score, screened, and lay out the best"""
    output: ResolvedPath = Path("generated")
    """folder of images, records and the table of scores"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse what cannot be made together: unknown words, targets without a source, doubled entries."""
        yield from self._wrong_prompts()
        yield from self._wrong_sources()
        yield from wrong_pictures(self)
        if self.batch is not None and self.generator in GENERATORS.names():
            yield "batch", f"is given, and that of {self.generator} belongs to its pictures"
        if self.memory is not None and self.batch != "auto":
            yield "memory", "is given, and `batch` is not auto"
        yield from self._wrong_ranking()
        for name in ("seeds", "rules", "objectives", "strengths", "directions"):
            if again := repeated(getattr(self, name) or ()):
                yield name, f"names {again[0]} more than once"
        if "partial" in self.objectives:
            problem = "partial needs the regression of scores on each other, which the site's recipes make"
            yield "objectives", problem
        choices: list[Choice] = [(RULES, rule) for rule in self.rules]
        choices += [(OBJECTIVES, kind) for kind in self.objectives]
        for name, problem in setting_problems(self.settings, choices):
            yield f"settings.{name}", problem
        if self.people is not None and (problem := refusal_of_reader(self.people, self.generator)):
            yield "people", problem
        if self.window is not None and not self.window[0] < self.window[1]:
            yield "window", f"is {list(self.window)}; give two values of alpha-bar, 0 <= low < high <= 1"

    def _wrong_ranking(self) -> Iterator[tuple[str, str]]:
        if self.rank is None:
            return
        if self.rank.towards not in self.directions:
            yield "rank.towards", f"is {self.rank.towards}, which is none of the directions"
        if self.rank.keep_people and not self.base:
            yield "rank.keep_people", "compares with the unguided images; leave `base` on"
        if self.rank.keep_people and self.people_reader is None:
            yield "rank.keep_people", "needs a reader of pictures; name one in `people`"

    def _wrong_prompts(self) -> Iterator[tuple[str, str]]:
        if self.generator in GENERATORS.names():
            for index, prompt in enumerate(self.prompts):
                try:
                    parse_prompt(prompt)
                except InputError as error:
                    yield f"prompts[{index}]", f"{error.problem}; expected {error.expected}"

    def _wrong_sources(self) -> Iterator[tuple[str, str]]:
        if again := repeated(source.name for source in (*self.targets, *self.judges)):
            yield "targets", f"{again[0]} is named more than once among targets and judges"
        for field in ("targets", "judges"):
            for index, source in enumerate(getattr(self, field)):
                made = source.region is not None
                if made and (self.encoders is None or self.reference is None):
                    yield f"{field}[{index}]", "is made of encoders; give `encoders` and `reference`"
                if not made and self.target_folder is None:
                    yield f"{field}[{index}]", "has no source; give `target_folder`, or its region"

    @property
    def grid(self) -> GuidanceGrid:
        """Return the settings of guidance, as the generator was calibrated where none are given."""
        usual = defaults_for(self.generator)
        return GuidanceGrid(
            steps=self.steps or usual.steps,
            strengths=self.strengths or usual.strengths,
            window=self.window or usual.window,
            ramp=usual.ramp if self.ramp is None else self.ramp,
            directions=self.directions,
            rules=self.rules,
            objectives=self.objectives,
            settings=self.settings,
            base=self.base,
        )

    @property
    def images_of_scene(self) -> int:
        """Count the images of one prompt and seed."""
        turned = 0 if self.adapter is None else len(self.adapter.turn) * len(self.directions)
        return self.grid.images_of_scene(len(self.targets)) + len(self.targets) * turned

    @property
    def people_reader(self) -> str | None:
        """Return who reads the people in pictures: as named, or that of an embedded generator."""
        return self.people or usual_reader(self.generator)

    def ignored_words(self) -> dict[str, tuple[str, ...]]:
        """Map prompts to the words in them that an embedded generator does not know; none for a pipeline."""
        if self.generator not in GENERATORS.names():
            return {}
        ignored = {prompt: parse_prompt(prompt).ignored for prompt in self.prompts}
        return {prompt: words for prompt, words in ignored.items() if words}


AnyConfig = TypeVar("AnyConfig", bound=GenerationConfig)


def read_generation(path: Path, shape: type[AnyConfig]) -> AnyConfig:
    """Read a YAML file as a configuration; relative paths in it start at its folder.

    :raises InputError: the file is missing or no YAML.
    :raises ShapeError: with every error, each with its dotted path.
    """
    if not os.path.isfile(path):
        raise InputError(path, "file not found", "a YAML configuration")
    try:
        mapping: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML ({error})", "a YAML configuration") from error
    base = path.resolve().parent
    config = read(shape, mapping, source=path, context={BASE: base})
    return config.model_copy(update={"output": base / config.output})


def planned_images(
    config: GenerationConfig,
    *,
    generator_digest: str,
    targets: dict[str, str],
    pictures: RecipePictures | None = None,
) -> list[Planned]:
    """List every image of a configuration, scene by scene; ``targets`` are the guides' digests by name.

    :param pictures: what ``almond.generating.sources`` made of the pictures that the configuration names;
        it may be left out where there are none but scenes.
    """
    held = pictures_of_scenes(config) if pictures is None else pictures
    common: dict[str, Any] = {
        "generator": config.generator,
        "generator_digest": generator_digest,
        "targets": list(targets),
        "target_digests": targets,
        "pictures": held,
    }
    planned: list[Planned] = []
    for prompt in config.prompts:
        for seed in config.seeds:
            planned += recipes_of_scene(prompt, seed, config.grid, **common)
            planned += turned_recipes(prompt, seed, config, **common)
    return planned
