"""What an analysis may be called: confirmatory, interim, exploratory or simulated, and why.

*Confirmatory* is for the analysis that the frozen plan laid down, run once on people's data whose collecting
ended by the plan's rule. Everything else has a reason, which the report states in its first lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.analysis.sample import Sample
from almond.analysis.study_data import StudyData
from almond.design.plan import StudyPlan
from almond.design.preregistration import StoppingRule
from almond.errors import AlmondError
from almond.exchange.collection import Collection, EarlyLook, collection_of
from almond.exchange.hand_exclusions import entries_in, holding
from almond.exchange.manifest import is_external

MODES = ("simulated", "interim", "exploratory", "confirmatory")
"""Labels by precedence: the first for which there is a reason; confirmatory where there is none."""


class OtherPlan(AlmondError):
    """The export's plan is not the deposited one."""

    def __init__(self, deposited: str, exported: str) -> None:
        super().__init__(
            f"the plan of this export has the digest {exported}, not the deposited {deposited}: "
            "it was made or changed afterwards, so nothing was analysed"
        )


@dataclass(frozen=True)
class Label:
    """What an analysis may be called, and every reason against *confirmatory*."""

    mode: str
    reasons: tuple[str, ...]


def label_analysis(data: StudyData, sample: Sample, deviations: Sequence[Mapping[str, Any]]) -> Label:
    """Label an analysis by the export that it reads and the settings that it uses.

    :param deviations: rows with ``kind``, ``what``, ``planned`` and ``done``; only those of kind *analysis*
        count here.
    """
    against = {
        "simulated": list(_simulated(data, sample)),
        "interim": list(_unfinished(data, sample)),
        "exploratory": [
            *_changed(deviations),
            *_not_excluded(sample),
            *_excluded_late(data),
            *_unproven(data),
        ],
        "confirmatory": [],
    }
    mode = next((name for name in MODES if against[name]), "confirmatory")
    return Label(mode, tuple(reason for name in MODES for reason in against[name]))


def _simulated(data: StudyData, sample: Sample) -> Iterator[str]:
    """Yield that nobody took part; of older exports, which do not tell kinds apart, the manifest says it."""
    told = dict(data.manifest.get("about") or {}).get("simulated") is True
    if sample.kind == "robot" or (not sample.kind and told):
        yield "no person took part, every answer is a simulated participant's"


def _unfinished(data: StudyData, sample: Sample) -> Iterator[str]:
    """Yield why the stopping rule of the plan is not met."""
    collection = collection_of(data.manifest)
    if collection is None:
        return
    if collection.state != "closed":
        yield (
            f"collecting data had not ended, the study was {collection.state} with "
            f"{len(sample.finished)} of {data.plan.participants} planned participants"
        )
        return
    yield from _stopped_early(data.plan, collection, len(sample.finished))


def _stopped_early(plan: StudyPlan, collection: Collection, complete: int) -> Iterator[str]:
    rule = plan.preregistration.stopping if plan.preregistration else StoppingRule()
    if rule.date is not None:
        closed = (collection.closed_at or "")[: len(rule.date)]
        if closed < rule.date:
            ended = closed or "a day that is not said"
            yield f"collecting data was to end on {rule.date}, and ended on {ended}"
        return
    finished = complete + collection.finished_and_withdrew
    if rule.precision is not None and collection.precise is not None:
        return
    if finished < plan.participants:
        yield (
            f"the study was closed before its stopping rule was met, with {finished} of "
            f"{plan.participants} planned participants"
        )


def _changed(deviations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    changed = [
        f"{row['what']} {row['planned']} planned, {row['done']} used"
        for row in deviations
        if row["kind"] == "analysis"
    ]
    if changed:
        yield f"settings differ from the frozen plan ({'; '.join(changed)})"


def _not_excluded(sample: Sample) -> Iterator[str]:
    """Yield which of the plan's exclusion rules could not be applied."""
    missing = [f"{rule.name}: {rule.problem}" for rule in sample.rules if rule.problem]
    if missing:
        yield f"planned exclusions could not be applied ({'; '.join(missing)})"


def _excluded_late(data: StudyData) -> Iterator[str]:
    """Yield how many were excluded by hand by people who could see answers."""
    late = [entry for entry in holding(entries_in(data.manifest)).values() if not entry.blind]
    if late:
        were = "participant was" if len(late) == 1 else "participants were"
        yield f"{len(late)} {were} excluded by hand after answers could be seen"


def _unproven(data: StudyData) -> Iterator[str]:
    """Yield what keeps an analysis by the plan's settings from being the one that was planned."""
    collection = collection_of(data.manifest)
    if is_external(data.manifest):
        yield "the data come from elsewhere, and whether the plan was there before them cannot be known"
    elif collection is None:
        yield "the export does not say whether collecting data had ended"
    if collection is None:
        return
    if collection.rehearsal:
        yield "the study was a rehearsal"
    if collection.unlocked is not None:
        yield f"the data were unlocked before the end, {collection.unlocked.words}"
    unplanned = [str(look.participants) for look in unplanned_looks(data.plan, collection)]
    if unplanned:
        yield (
            f"the data were analysed before the end (with {', '.join(unplanned)} participants), "
            "which the plan does not allow"
        )


def unplanned_looks(plan: StudyPlan, collection: Collection) -> list[EarlyLook]:
    """Return the looks that no planned look, each used once, allows."""
    planned = list(plan.preregistration.stopping.looks) if plan.preregistration else []
    unplanned = []
    for look in collection.looks:
        if planned and look.participants >= planned[0]:
            planned.pop(0)
        else:
            unplanned.append(look)
    return unplanned
