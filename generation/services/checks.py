"""Checks of what a person entered: each raises an ``InputError`` that names the field and what is valid."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings

from almond.errors import InputError
from almond.guidance.added.store import find_added
from almond.guidance.generators import GENERATORS, WITHOUT_EMBEDDED_PROMPT, known_generators
from almond.guidance.methods import declared, setting_problems
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.penalties import PENALTIES
from almond.guidance.recipe import View
from almond.guidance.rules import RULES
from almond.guidance.searches import DEFAULT_SEARCH, ON_EMBEDDED_PROMPTS, SEARCHES
from almond.shapes import read
from almond.stimuli.pairing.yardsticks import PEOPLE, Yardsticks, check_groups
from almond.world.prompts import parse_prompt
from encoder.models import Target
from generation.models import Batch

MOST_SEEDS = 1000


def check_recipe(
    *,
    prompt: str,
    generator: str,
    seeds: Sequence[int],
    targets: Sequence[Target],
    strengths: Sequence[float],
    window: tuple[float, float],
    ramp: float,
    steps: int,
    rule: str,
    objective: str,
    settings: Mapping[str, float],
    search: str = DEFAULT_SEARCH,
    penalties: Mapping[str, float] | None = None,
    view: Mapping[str, float] | None = None,
) -> None:
    """Check a recipe as a whole; parameters as in :func:`generation.services.create_recipe`.

    :raises InputError: the first of its fields that is wrong.
    """
    if not seeds or len(set(seeds)) != len(seeds) or len(seeds) > MOST_SEEDS or min(seeds) < 0:
        raise InputError(
            "seeds", f"{list(seeds)[:5]}…", f"1 to {MOST_SEEDS} different whole numbers, none below 0"
        )
    check_strengths(strengths, SEARCHES.check(search))
    if not prompt.strip():
        raise InputError("prompt", "is empty", "a description of the scene")
    if generator in GENERATORS.names():
        parse_prompt(prompt)  # the embedded generators know the words of the simulated world alone
    elif not os.path.isdir(generator) and find_added(generator.partition("#")[0]) is None:
        raise InputError("generator", f"is {generator!r}", known_generators("the folder of a pipeline"))
    check_methods(rule=rule, objective=objective, settings=settings, search=search)
    check_around(generator=generator, search=search, penalties=penalties or {}, view=view or {})
    low, high = window
    if not 0 <= low < high <= 1:
        raise InputError("window", f"{low:g} to {high:g}", "two values of alpha-bar, 0 <= low < high <= 1")
    if not 0 <= ramp <= 0.5:
        raise InputError("ramp", f"{ramp:g}", "a share of the window, 0 to 0.5")
    if steps < 1:
        raise InputError("steps", f"{steps}", "1 or more")
    if not targets:
        raise InputError("targets", "none were chosen", "one or more guides")
    for target in targets:
        if target.role != Target.Role.GUIDE or not target.digest:
            raise InputError("targets", f"{target} cannot guide", "guides whose weights have been made")
    check_distinct([target.name for target in targets])


def takes_rule(search: str) -> bool:
    """Whether a rule guides the trajectories of a search."""
    return declared(SEARCHES, SEARCHES.check(search)).takes_rule


def check_strengths(strengths: Sequence[float], search: str) -> None:
    """Check strengths: above 0 where a rule guides, 0 alone where the search climbs without one."""
    if not takes_rule(search):
        if list(strengths) != [0]:
            raise InputError(
                "strengths", f"{list(strengths)}", f"none: the search {search} climbs without a rule"
            )
    elif not strengths or not all(math.isfinite(value) and value > 0 for value in strengths):
        raise InputError("strengths", f"{list(strengths)}", "one or more numbers above 0")


def check_around(
    *, generator: str, search: str, penalties: Mapping[str, float], view: Mapping[str, float]
) -> None:
    """Check search, penalties and view beside a generator.

    :raises InputError: a generator that the search cannot climb in, a penalty that is not known or below 0,
        a view out of range.
    """
    if search in ON_EMBEDDED_PROMPTS and generator in WITHOUT_EMBEDDED_PROMPT:
        raise InputError(
            "search", f"{generator} has no embedded prompt", f"another generator, or a search but {search}"
        )
    for name, weight in penalties.items():
        if not math.isfinite(weight) or weight < 0:
            raise InputError(f"penalties.{PENALTIES.check(name)}", f"is {weight:g}", "a number from 0")
        PENALTIES.check(name)
    read(View, dict(view), source="view")


def check_methods(
    *, rule: str, objective: str, settings: Mapping[str, float], search: str = DEFAULT_SEARCH
) -> None:
    """Check that the methods exist, and that they take each of the settings, within its range.

    :raises InputError: the first that is wrong.
    """
    methods = (
        (RULES, RULES.check(rule)),
        (OBJECTIVES, OBJECTIVES.check(objective)),
        (SEARCHES, SEARCHES.check(search)),
    )
    for name, value in settings.items():
        if not math.isfinite(value):
            raise InputError(f"settings.{name}", f"is {value}", "a finite number")
    for name, problem in setting_problems(settings, methods):
        raise InputError(f"settings.{name}", problem, "see the help beside rule, objective and search")


def check_distinct(names: Sequence[str]) -> None:
    """Check that no two targets have one name: scores are stored by name."""
    if len(set(names)) != len(names):
        raise InputError(
            "targets", f"two are called the same ({', '.join(names)})", "targets of different names"
        )


def check_matching(*, batches: Sequence[Batch], tolerance: float, scored_by: str | None) -> str:
    """Return the role of the targets whose scores select the pairs: guides where ``scored_by`` is empty.

    Judges that select pairs are no longer held out from what was selected.

    :raises InputError: no batch, a wrong tolerance, or selection by judges where a batch has none.
    """
    if not batches:
        raise InputError("batches", "none were chosen", "one or more")
    check_tolerance(tolerance)
    judged = all(batch.judges.exists() for batch in batches)
    role = str(scored_by or Target.Role.GUIDE)
    if role == Target.Role.JUDGE and not judged:
        raise InputError("scored by", "a batch has no judges", "guide, or batches scored by judges")
    return role


def check_tolerance(tolerance: float) -> None:
    """Check a tolerance of matching: above 0, in standard deviations of the pool."""
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise InputError("tolerance", f"is {tolerance}", "a number above 0, in standard deviations")


def check_yardsticks(*, tolerance: float, paired: float, held: Sequence[str]) -> tuple[str, ...]:
    """Return the groups of quantities held; an ``InputError`` for a wrong bound or an unknown group."""
    check_tolerance(tolerance)
    Yardsticks(tolerance, paired)
    if not math.isfinite(paired):
        raise InputError("paired", f"is {paired}", "a bound of d_z above 0")
    return check_groups(held)


def of_the_world(batches: Sequence[Batch]) -> bool:
    """Tell whether all pictures of batches are scenes of the simulated world, in which people can be read."""
    return all(batch.generators <= set(GENERATORS.names()) for batch in batches)


def check_people(held: Sequence[str], batches: Sequence[Batch]) -> None:
    """Refuse to hold the people of pictures in which nothing reads them."""
    if PEOPLE in held and not of_the_world(batches):
        raise InputError(
            "held constant: people", "are read in pictures of the embedded generators alone", "other groups"
        )


def check_source(path: Path, what: str) -> Path:
    """Return the resolved path; an ``InputError`` unless it exists under one of the data folders."""
    resolved = path.resolve()
    roots = [Path(root).resolve() for root in settings.DATA_ROOTS]
    if not any(resolved.is_relative_to(root) for root in roots):
        listed = ", ".join(str(root) for root in roots)
        raise InputError(path, "is outside of the server's data folders", f"a {what} under {listed}")
    if not os.path.exists(resolved):
        raise InputError(path, "does not exist on this server", f"a {what}")
    return resolved


def check_theme_column(column: str, norms: object) -> None:
    """Refuse a column of themes without the norms that it would be in."""
    if column and not norms:
        raise InputError("theme", f"is the column {column!r}, but there are no norms", "a file of norms, too")


def check_norms(path: Path) -> Path:
    """Return the resolved path of a table of norms; an ``InputError`` as for a source, or for a folder."""
    resolved = check_source(path, "file of norms")
    if not os.path.isfile(resolved):
        raise InputError(path, "is not a file", "a CSV of norms")
    return resolved
