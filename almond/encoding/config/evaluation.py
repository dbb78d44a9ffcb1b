"""The section ``evaluation`` of a configuration: statistics over the subjects. Nothing is read here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from almond.encoding.config.checks import Checks

CORRECTIONS = ("tukey", "holm")
PUBLISHED = ("LB", "CM", "SF", "AStr")
"""The subregions that the published contrasts are about."""

PUBLISHED_CONTRASTS: dict[str, dict[str, float]] = {
    "LB vs others": {"LB": 1.0, "CM": -1 / 3, "SF": -1 / 3, "AStr": -1 / 3},
    "CM vs SF and AStr": {"CM": 1.0, "SF": -0.5, "AStr": -0.5},
    "SF vs AStr": {"SF": 1.0, "AStr": -1.0},
}
"""The orthogonal codes of the published script: CM is compared with what LB's contrast leaves."""

KEYS = (
    "models",
    "whole",
    "subregions",
    "controls",
    "fdr",
    "least_subjects",
    "random_regions",
    "contrasts",
    "correction",
    "stimuli",
    "seed",
    "out",
)
RANDOM_KEYS = ("of", "splits", "parts", "export")
STIMULI_KEYS = ("table", "images", "features", "regions", "components", "low_level", "permutations")
LOW_LEVEL = ("sound", "paper", "none")
TABLES = (".csv", ".tsv")
FEATURES = (".csv", ".tsv", ".npy", ".npz", ".mat", ".parquet")


@dataclass(frozen=True)
class RandomRegions:
    """Voxels of the region ``of`` split ``splits`` times at random into ``parts``, the same for everybody.

    ``export``: a folder for the mean weights of every part, subject and split, or None for none.
    """

    of: str
    splits: int = 1000
    parts: int = 4
    export: Path | None = None


@dataclass(frozen=True)
class StimuliSettings:
    """Images that were made for a region of a subject, to be judged by all encoders.

    ``table`` has a row per image with the columns ``image`` (below ``images``), ``region``, ``subject`` and,
    where images share one, ``scene``. ``features`` is a table of features of these images made elsewhere;
    None: they are extracted. ``regions`` predict; None: the regions that the table names. ``components`` of
    the discriminant analysis; None: one per region.
    """

    table: Path
    images: Path | None = None
    features: Path | None = None
    regions: tuple[str, ...] | None = None
    components: int | None = None
    low_level: str = "sound"
    permutations: int = 1000


@dataclass(frozen=True)
class EvaluationSettings:
    """What is tested over subjects. Names are regions of the configuration.

    ``models`` None: all of the configuration. ``fdr`` is the rate of false discoveries of maps. Voxels with
    fewer than ``least_subjects`` subjects are left out of maps. ``contrasts`` name weights of subregions,
    summing to 0; None: the published ones for their four subregions, else each against the mean of the rest.
    ``correction`` is that of the comparisons in pairs. ``out`` None: ``evaluation`` in the folder of outputs.
    """

    models: tuple[str, ...] | None = None
    whole: str | None = None
    subregions: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    fdr: float = 0.05
    least_subjects: int = 3
    random_regions: RandomRegions | None = None
    contrasts: Mapping[str, Mapping[str, float]] | None = None
    correction: str = "tukey"
    stimuli: StimuliSettings | None = None
    seed: int = 0
    out: Path | None = None

    def chosen_contrasts(self, subregions: Sequence[str] = ()) -> dict[str, dict[str, float]]:
        """The contrasts that will be tested, with a weight for every one of ``subregions`` (or the own)."""
        names = tuple(subregions) or self.subregions
        if self.contrasts is not None:
            wanted: Mapping[str, Mapping[str, float]] = self.contrasts
        elif set(names) == set(PUBLISHED):
            wanted = PUBLISHED_CONTRASTS
        else:
            wanted = _each_against_the_rest(names)
        return {
            name: {region: float(weights.get(region, 0.0)) for region in names}
            for name, weights in wanted.items()
        }


def _each_against_the_rest(names: Sequence[str]) -> dict[str, dict[str, float]]:
    if len(names) < 3:
        return {f"{names[0]} vs {names[1]}": {names[0]: 1.0, names[1]: -1.0}} if len(names) == 2 else {}
    share = -1.0 / (len(names) - 1)
    return {f"{one} vs others": {name: 1.0 if name == one else share for name in names} for one in names}


@dataclass
class _Found:
    """Values that were given and are right; everything else keeps its default."""

    values: dict[str, Any] = field(default_factory=dict)

    def put(self, key: str, value: Any) -> None:
        if value is not None:
            self.values[key] = value


def parse_evaluation(
    value: Any, checks: Checks, path: str = "evaluation", regions: Sequence[str] | None = None
) -> EvaluationSettings | None:
    """The section's settings; defaults when it is absent, None when it is wrong (which adds problems).

    ``regions`` are the names that the configuration defines; without them names are not looked up.
    """
    if value is None:
        return EvaluationSettings()
    if not isinstance(value, Mapping):
        checks.add(path, "is not a mapping of settings such as whole, subregions, controls")
        return None
    before = len(checks.problems)
    checks.known(value, path, KEYS)
    found = _Found()
    _names(value, found, checks, path)
    _numbers(value, found, checks, path)
    found.put("random_regions", _random(value, checks, path))
    found.put("stimuli", _stimuli(value.get("stimuli"), checks, f"{path}.stimuli"))
    if value.get("contrasts") is not None:
        names = found.values.get("subregions", ())
        found.put("contrasts", _contrasts(value["contrasts"], names, checks, f"{path}.contrasts"))
    if len(checks.problems) > before:
        return None
    settings = EvaluationSettings(**found.values)
    if regions is not None:
        _look_up(settings, regions, checks, path)
    return settings if len(checks.problems) == before else None


def _names(value: Mapping[str, Any], found: _Found, checks: Checks, path: str) -> None:
    found.put("whole", checks.text(value, "whole", path))
    for key in ("models", "subregions", "controls"):
        given = value.get(key)
        names = (
            None
            if given in (None, [])
            else checks.texts([given] if isinstance(given, str) else given, f"{path}.{key}")
        )
        if names and len(set(names)) < len(names):
            checks.add(f"{path}.{key}", "names one twice")
        found.put(key, names)
    if len(found.values.get("subregions", ("", ""))) < 2:
        checks.add(f"{path}.subregions", "holds one name; two or more can be compared")
    out = checks.text(value, "out", path)
    found.put("out", None if out is None else checks.base / out)


def _numbers(value: Mapping[str, Any], found: _Found, checks: Checks, path: str) -> None:
    fdr = checks.number(value.get("fdr"), f"{path}.fdr", above=0)
    if fdr is not None and fdr >= 1:
        checks.add(f"{path}.fdr", f"is {fdr:g}, not a rate below 1")
    found.put("fdr", fdr)
    found.put("least_subjects", checks.whole(value.get("least_subjects"), f"{path}.least_subjects", least=3))
    found.put("seed", checks.whole(value.get("seed"), f"{path}.seed", least=0))
    if value.get("correction") is not None:
        found.put("correction", checks.choice(value["correction"], f"{path}.correction", CORRECTIONS))


def _random(value: Mapping[str, Any], checks: Checks, path: str) -> RandomRegions | None:
    given, where = value.get("random_regions"), f"{path}.random_regions"
    if given is None or given is False:
        return None
    if not isinstance(given, Mapping):
        checks.add(where, "is not a mapping {of, splits, parts} nor null")
        return None
    checks.known(given, where, RANDOM_KEYS)
    found = _Found()
    of = checks.text(given, "of", where) or (value.get("whole") if given.get("of") is None else None)
    if given.get("of") is None and of is None:
        checks.add(f"{where}.of", "is missing, and there is no whole region to split")
    found.put("splits", checks.whole(given.get("splits"), f"{where}.splits", least=1))
    found.put("parts", checks.whole(given.get("parts"), f"{where}.parts", least=2))
    export = checks.text(given, "export", where)
    found.put("export", None if export is None else checks.base / export)
    return RandomRegions(str(of), **found.values) if isinstance(of, str) else None


def _stimuli(given: Any, checks: Checks, path: str) -> StimuliSettings | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        checks.add(path, "is not a mapping {table, images}")
        return None
    checks.known(given, path, STIMULI_KEYS)
    found = _Found()
    table = checks.file(given.get("table"), f"{path}.table", TABLES)
    if given.get("images") is not None:
        found.put("images", checks.folder(given["images"], f"{path}.images"))
    if given.get("features") is not None:
        found.put("features", checks.file(given["features"], f"{path}.features", FEATURES))
    found.put("regions", checks.texts(given.get("regions"), f"{path}.regions"))
    found.put("components", checks.whole(given.get("components"), f"{path}.components", least=1))
    found.put("permutations", checks.whole(given.get("permutations"), f"{path}.permutations", least=0))
    if given.get("low_level") is not None:
        found.put("low_level", checks.choice(given["low_level"], f"{path}.low_level", LOW_LEVEL))
    if given.get("images") is None:
        if given.get("features") is None:
            checks.add(path, "gives neither images nor their features")
        elif given.get("low_level", "sound") != "none":
            checks.add(
                f"{path}.images", "is missing; low-level features need the images (or low_level: none)"
            )
    return None if table is None else StimuliSettings(table, **found.values)


def _contrasts(
    given: Any, subregions: Sequence[str], checks: Checks, path: str
) -> dict[str, dict[str, float]] | None:
    if not isinstance(given, Mapping) or not given:
        checks.add(
            path, "is not a mapping of names to weights of subregions, such as {a vs b: {a: 1, b: -1}}"
        )
        return None
    return {
        str(name): _weights(weights, subregions, checks, f"{path}.{name}") for name, weights in given.items()
    }


def _weights(given: Any, subregions: Sequence[str], checks: Checks, path: str) -> dict[str, float]:
    if not isinstance(given, Mapping) or not given:
        checks.add(path, "is not a mapping of subregions to weights")
        return {}
    found = {}
    for region, weight in given.items():
        number = checks.number(weight, f"{path}.{region}")
        if number is None and weight is None:
            checks.add(f"{path}.{region}", "has no weight")
        if region not in subregions:
            checks.add(f"{path}.{region}", "is not one of the subregions")
        found[str(region)] = number or 0.0
    if not math.isclose(sum(found.values()), 0.0, abs_tol=1e-6) or not any(found.values()):
        checks.add(path, "has weights that do not sum to 0, or are all 0")
    return found


def _look_up(settings: EvaluationSettings, regions: Sequence[str], checks: Checks, path: str) -> None:
    named: list[tuple[str, tuple[str, ...]]] = [
        ("subregions", settings.subregions),
        ("controls", settings.controls),
    ]
    if settings.whole:
        named.append(("whole", (settings.whole,)))
    if settings.random_regions:
        named.append(("random_regions.of", (settings.random_regions.of,)))
    if settings.stimuli:
        named.append(("stimuli.regions", settings.stimuli.regions or ()))
    for key, names in named:
        for name in names:
            if name not in regions:
                checks.add(f"{path}.{key}", f"{name} is not among the regions ({', '.join(regions)})")
