"""One pass over all tables of an export: what their rows say of people, trials, images and the plan.

Rows are read in parts. Of a million responses, sixteen bytes each are kept: hashes of the trial that was
answered, and of the response. Where they show that something stands twice, the tables are read once more for
the words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from almond.design.plan import StudyPlan
from almond.design.trials.base import TrialKind
from almond.design.trials.columns import Coded, TableSchema
from almond.evidence.table_writer import key_hashes
from almond.typing import Ints

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


class Opened(Protocol):
    """What a pass needs of an export."""

    @property
    def plan(self) -> StudyPlan: ...
    @property
    def schemas(self) -> dict[str, TableSchema]: ...
    @property
    def participants(self) -> pd.DataFrame: ...
    @property
    def stimuli(self) -> dict[str, dict[str, Any]]: ...
    def file(self, table: str) -> str: ...
    def kinds(self) -> list[TrialKind]: ...
    def parts(self, table: str) -> Iterator[pd.DataFrame]: ...


@dataclass
class Walk:
    """Rows and columns of every table, and what is wrong with rows of responses and events, in words.

    ``trials`` counts trials answered, ``answered`` those of each participant, ``shown`` images shown,
    ``rows`` rows of responses.
    """

    counts: dict[str, int] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    trials: int = 0
    shown: int = 0
    rows: int = 0


def walk_tables(chain: Opened) -> Walk:
    """Read every table of an export once.

    :raises InputError: a table that cannot be read.
    """
    walk = Walk()
    known = set(chain.participants["participant_id"])
    digests = {name: str(row["image_sha256"]) for name, row in chain.stimuli.items()}
    kinds = {kind.table.name: kind for kind in chain.kinds()}
    answers = []
    for name in chain.schemas:
        own: list[tuple[Hashes, Hashes]] = []
        walk.counts[name] = 0
        for frame in chain.parts(name):
            walk.counts[name] += len(frame)
            walk.columns[name] = tuple(map(str, frame.columns))
            if name in kinds:
                own.append(_look(walk, chain, kinds[name], frame, known=known, digests=digests))
            elif name == "events":
                strangers = sorted(set(frame["participant_id"]) - known)
                walk.strangers += [
                    f"{chain.file(name)}: participant {who} is not in {chain.file('participants')}"
                    for who in strangers
                ]
        if own:
            answers.append(_each_once(kinds[name], own))
    _count_trials(walk, chain, answers)
    return walk


def _look(
    walk: Walk,
    chain: Opened,
    kind: TrialKind,
    frame: pd.DataFrame,
    *,
    known: Collection[str],
    digests: Mapping[str, str],
) -> tuple[Hashes, Hashes]:
    """Look at a part of a table of responses; return hashes (n,) of its trials and of its responses."""
    walk.rows += len(frame)
    for row in _rows(_responses_of(kind, frame[~frame["participant_id"].isin(known)])):
        where = chain.file("participants")
        walk.strangers.append(f"{response_in_words(row)}: the participant is not in {where}")
    for stimulus, digest in kind.shown_columns:
        walk.shown += len(frame)
        wrong = frame[frame[stimulus].map(digests) != frame[digest]]
        for row in _rows(wrong):
            problem = image_problem(str(row[stimulus]), str(row[digest]), digests, chain.file("stimuli"))
            walk.images += [f"{response_in_words(row)}: {problem}"] if problem else []
    walk.facts += fact_problems(chain, kind, frame)
    responses = _responses_of(kind, frame)
    for who, count in responses["participant_id"].value_counts(sort=False).items():
        walk.answered[str(who)] += int(count)
    return trial_hashes(responses), key_hashes([responses["response_id"].tolist()])


def _rows(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    names = list(map(str, frame.columns))
    for row in zip(*(frame[name].tolist() for name in names), strict=True):
        yield dict(zip(names, row, strict=True))


def fact_problems(chain: Opened, kind: TrialKind, frame: pd.DataFrame) -> Iterator[str]:
    """Say which rows tell otherwise than the plan or the row of their stimulus; rows with the same cells in
    the columns that a kind looks at are looked at once."""
    names = [name for name in kind.facts if name in frame]
    if not names:
        looked = frame
    else:
        distinct = frame[~frame.duplicated(names)]
        wrong = [bool(list(_problems(chain, kind, row))) for row in _rows(distinct[names])]
        if not any(wrong):
            return
        keys = pd.MultiIndex.from_frame(distinct.loc[wrong, names])
        looked = frame[pd.MultiIndex.from_frame(frame[names]).isin(keys)]
    for row in _rows(looked):
        for problem in _problems(chain, kind, row):
            yield f"{response_in_words(row)}: {problem}"


def _problems(chain: Opened, kind: TrialKind, row: Mapping[str, Any]) -> Iterator[str]:
    return kind.row_problems(chain.plan, chain.stimuli, row)


def image_problem(stimulus: str, digest: str, digests: Mapping[str, str], file: str) -> str | None:
    """Say how the digest that a browser saw differs from the stimulus, a row of ``file``; None where it does
    not."""
    if stimulus not in digests:
        return f"stimulus {stimulus!r} is not in {file}"
    if digest == digests[stimulus]:
        return None
    if digest not in digests.values():
        return f"names image {digest[:12]}…, which nobody was shown"
    return f"saw image {digest[:12]}…, but stimulus {stimulus} is another image"


def _responses_of(kind: TrialKind, frame: pd.DataFrame) -> pd.DataFrame:
    """Take one row per response: a rating with several constructs counts once."""
    return frame if kind.table.unique == ("response_id",) else frame.drop_duplicates("response_id")


def trial_hashes(frame: pd.DataFrame) -> Hashes:
    """Hash participant and index of trials, (n,)."""
    return key_hashes([few_texts(frame["participant_id"]), few_texts(frame["trial_index"])])


def few_texts(cells: pd.Series[Any]) -> Coded:
    """Write the cells of a column as text, equal ones once."""
    codes, values = pd.factorize(cells)
    return Coded([str(value) for value in values], codes)


def _each_once(kind: TrialKind, parts: list[tuple[Hashes, Hashes]]) -> tuple[Hashes, Hashes]:
    """Join the hashes of a table's parts; a response of several rows stays one, also across parts."""
    trials, responses = (np.concatenate(column) for column in zip(*parts, strict=True))
    if kind.table.unique == ("response_id",) or len(parts) == 1:
        return trials, responses
    first = np.sort(np.unique(responses, return_index=True)[1])
    return trials[first], responses[first]


def _count_trials(walk: Walk, chain: Opened, answers: list[tuple[Hashes, Hashes]]) -> None:
    """Count the trials that were answered, and name those that were answered by two responses."""
    trials = np.concatenate([part[0] for part in answers]) if answers else np.zeros(0, np.uint64)
    responses = np.concatenate([part[1] for part in answers]) if answers else np.zeros(0, np.uint64)
    first: Ints
    unique, first, place = np.unique(trials, return_index=True, return_inverse=True)
    walk.trials = len(unique)
    twice = set(trials[responses[first][place.reshape(-1)] != responses].tolist())
    if twice:
        walk.twice = list(answered_twice(chain, twice))


def answered_twice(chain: Opened, suspects: set[int]) -> Iterator[str]:
    """Name responses to trials that another response had answered, among trials with some hashes."""
    trials: dict[tuple[str, int], str] = {}
    for kind in chain.kinds():
        for frame in chain.parts(kind.table.name):
            responses = _responses_of(kind, frame)
            for row in _rows(responses[np.isin(trial_hashes(responses), list(suspects))]):
                trial = str(row["participant_id"]), int(row["trial_index"])
                first = trials.setdefault(trial, str(row["response_id"]))
                if first != row["response_id"]:
                    yield f"{response_in_words(row)}: the trial was answered before by response {first}"


def response_in_words(row: Mapping[str, Any]) -> str:
    return f"response {row['response_id']} (participant {row['participant_id']}, trial {row['trial_index']})"
