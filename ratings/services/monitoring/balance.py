"""How often every image was shown, how ratings are distributed, and on what screens: nothing by condition.

Read when its page is opened, not at every look of the monitor: the times of all people, hundreds at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count
from django.urls import reverse

from almond.design.trials.responses import PlannedTrial
from ratings.models import Participant, Progress
from ratings.services.monitoring.progress import catch_up
from ratings.services.monitoring.quality import BINS, DEVICES
from studies.models import AssignmentList, Study, images_by_name

AT_ONCE = 200
"""Participants whose times are read at once."""
RECENT_PEOPLE = 500
"""Of so many people, those who came last, distributions are read."""


@dataclass(frozen=True)
class ExposedImage:
    """An image under a number that tells nothing: how often it was shown and answered, and is to be."""

    number: int
    address: str
    shown: int
    planned: int

    @property
    def percent(self) -> float:
        return 100 * self.shown / self.planned if self.planned else 0.0


@dataclass(frozen=True)
class Distribution:
    """How many ratings of a construct lie in each of ``BINS`` equal parts of 0 to 100."""

    construct: str
    low: str
    high: str
    counts: list[int]

    @property
    def ratings(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Balance:
    """What the page shows. Images are in the order of how often they were shown, the least first."""

    behind: int
    images: list[ExposedImage]
    distributions: list[Distribution]
    distributions_of: int
    devices: list[tuple[str, int]]
    people: int


def balance_of(study: Study) -> Balance:
    """Count everything that the page shows, of people; of a rehearsal also of simulated participants."""
    behind = catch_up(study)
    kinds = [Participant.Kind.PERSON, *([Participant.Kind.ROBOT] if study.rehearsal else [])]
    rows = Progress.objects.of(study.pk).filter(participant__kind__in=kinds)
    devices = dict(rows.order_by().values_list("device").annotate(Count("pk")))
    recent = list(rows.filter(done__gt=0).order_by("-pk").values_list("bins", flat=True)[:RECENT_PEOPLE])
    return Balance(
        behind=behind,
        images=exposure(study, rows),
        distributions=distributions(study, recent),
        distributions_of=len(recent),
        devices=[(name, devices[name]) for name in (*DEVICES, "") if name in devices],
        people=sum(devices.values()),
    )


def exposure(study: Study, rows: Any) -> list[ExposedImage]:
    """Count the answered showings of every image, and those of full lists."""
    answered: dict[int, np.ndarray[Any, np.dtype[np.int64]]] = {}
    people = rows.filter(erased=False).order_by().values_list("participant__assignment", "times")
    for pk, times in people.iterator(chunk_size=AT_ONCE):
        known = np.array([time is not None for time in times], np.int64)
        counts = answered.get(pk, known[:0])
        if len(counts) < len(known):
            counts = np.pad(counts, (0, len(known) - len(counts)))
        counts[: len(known)] += known
        answered[pk] = counts
    shown: Counter[str] = Counter()
    planned: Counter[str] = Counter()
    lists = AssignmentList.objects.filter(study=study).values_list("pk", "capacity", "trials")
    for pk, capacity, trials in lists.iterator(chunk_size=AT_ONCE):
        counts = answered.get(pk, np.zeros(0, np.int64))
        for place, trial in enumerate(trials):
            for name in PlannedTrial.from_json(trial).stimuli:
                planned[name] += capacity
                shown[name] += int(counts[place]) if place < len(counts) else 0
    return numbered(shown, planned)


def numbered(shown: Counter[str], planned: Counter[str]) -> list[ExposedImage]:
    """Give images numbers in the order of their digests, which says nothing of what they were made for."""
    found = images_by_name(planned, "digest", "suffix")
    names = sorted(found, key=lambda name: (found[name].digest, name))
    images = [
        ExposedImage(
            number,
            reverse("stimulus_image", args=[found[name].digest, found[name].suffix]),
            shown[name],
            planned[name],
        )
        for number, name in enumerate(names, start=1)
    ]
    return sorted(images, key=lambda image: (image.percent, image.number))


def distributions(study: Study, people: list[dict[str, list[int]]]) -> list[Distribution]:
    """Add up the counts of some people, of every construct that is rated."""
    total: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = {}
    for bins in people:
        for name, counts in bins.items():
            total[name] = total.get(name, np.zeros(BINS, np.int64)) + np.array(counts, np.int64)
    return [
        Distribution(item.name, item.low, item.high, [int(count) for count in total[item.name]])
        for item in study.frozen_plan.constructs
        if item.name in total
    ]
