"""What a participant's browser needs of a study to go on, packed so that each thing is sent once.

``static/js/visit.js`` unpacks it. The digests of the images cannot be compressed (32 bytes each); everything
else together costs less than they do.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django.urls import reverse

from almond.design.assignment import make_lists
from almond.design.flow.branching import asks_again
from almond.design.plan import StudyPlan
from studies.models import Study, images_by_name
from studies.services.presentation import blocks_json, constructs_json

PREVIEWED_TRIALS = 3
PLACEHOLDERS = ("DIGEST", "SUFFIX")
"""What stands in the address of all images for what each has of its own."""

Item = TypeVar("Item")


class ShownTrial(NamedTuple):
    """A trial as its participant's browser knows it; ``digests`` of its images, left to right."""

    name: str
    block: str
    constructs: tuple[str, ...]
    question: str | None
    digests: tuple[str, ...]
    done: bool

    @classmethod
    def of(cls, name: str, planned: Mapping[str, Any], digests: Iterable[str], *, done: bool) -> ShownTrial:
        """Take from a planned trial's JSON what is shown of it."""
        asked = tuple(planned["constructs"])
        return cls(name, planned["block"], asked, planned["question"], tuple(digests), done)


class ShownImage(NamedTuple):
    suffix: str
    width: int
    height: int


def shown_images(names: Iterable[str]) -> dict[str, ShownImage]:
    """Return digest -> what is shown, of images by their names in a plan."""
    rows = images_by_name(names, "digest", *ShownImage._fields).values()
    return {row.digest: ShownImage(row.suffix, row.width, row.height) for row in rows}


@dataclass(frozen=True)
class Visit:
    """A participant's trials in the order of their indices, which count from 0, and what they show.

    ``skipped`` are the indices of trials that are not asked, because of what was answered.
    """

    study: Study
    plan: StudyPlan
    live: bool
    trials: Sequence[ShownTrial]
    images: Mapping[str, ShownImage]
    skipped: Collection[int] = ()

    def first_images(self) -> list[str]:
        """Return the addresses of the images that are needed first: of the first open trial with any."""
        open_trials = (
            trial
            for place, trial in enumerate(self.trials)
            if trial.digests and not trial.done and place not in self.skipped
        )
        first = next(open_trials, None)
        if first is None or not self.live:
            return []
        return [
            reverse("stimulus_image", args=[digest, self.images[digest].suffix])
            for digest in dict.fromkeys(first.digests)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the packed form. Trials name their block, what is asked, and their images by place:

        - ``images``: ``address`` of each with placeholders; ``digests``, 32 bytes each, in base64;
          ``rows`` of suffix, width and height. In the order in which they are first shown.
        - ``asked``: each combination of constructs and question that occurs.
        - ``trials``: name, place of the block, place of what is asked, places of the images.
        - ``done``: places of the trials that are answered.
        - ``skipped``: places of the trials that are not asked; absent where there are none.
        """
        digests = distinct(digest for trial in self.trials for digest in trial.digests)
        asked = distinct((trial.constructs, trial.question) for trial in self.trials)
        blocks = {block.name: place for place, block in enumerate(self.plan.blocks)}
        return {
            "live": self.live,
            "constructs": constructs_json(self.plan),
            "blocks": blocks_json(self.study, self.plan),
            "images": {
                "address": reverse("stimulus_image", args=PLACEHOLDERS),
                "digests": base64.b64encode(bytes.fromhex("".join(digests))).decode(),
                "rows": [list(self.images[digest]) for digest in digests],
            },
            "asked": [[list(constructs), question] for constructs, question in asked],
            "trials": [
                [
                    trial.name,
                    blocks[trial.block],
                    asked[trial.constructs, trial.question],
                    *(digests[digest] for digest in trial.digests),
                ]
                for trial in self.trials
            ],
            "done": [place for place, trial in enumerate(self.trials) if trial.done],
            **({"skipped": sorted(self.skipped)} if self.skipped else {}),
        }


def previewed(study: Study, plan: StudyPlan) -> Visit:
    """Return the first trials of each block of the first list; their names are of no participant."""
    planned = make_lists(plan, 1)[0]
    trials = [
        trial
        for block in plan.blocks
        for trial in [trial for trial in planned if trial.block == block.name][:PREVIEWED_TRIALS]
    ]
    digests = {name: stimulus.sha256 for name, stimulus in plan.stimulus_by_id.items()}
    shown = [
        ShownTrial.of(
            f"preview-{place}", trial.to_json(), [digests[name] for name in trial.stimuli], done=False
        )
        for place, trial in enumerate(trials)
    ]
    names = {name for trial in trials for name in trial.stimuli}
    # Nothing is stored, so nothing decides: of a check that asks again, the first attempt is shown.
    again = {block.name for block in plan.blocks if asks_again(block)}
    firsts = {trial.block: place for place, trial in reversed(list(enumerate(trials)))}
    skipped = {
        place for place, trial in enumerate(trials) if trial.block in again and place != firsts[trial.block]
    }
    return Visit(study, plan, live=True, trials=shown, images=shown_images(names), skipped=skipped)


def distinct(items: Iterable[Item]) -> dict[Item, int]:
    """Return each item once, in the order in which they come -> its place."""
    return {item: place for place, item in enumerate(dict.fromkeys(items))}
