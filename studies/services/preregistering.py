"""The preregistration of a study: what its experimenter wrote, and for the rest what its design says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from almond import __version__
from almond.design.parts import PlannedPair, PlannedStimulus
from almond.design.preregistration import usual_hypotheses
from studies.models import Construct, Study
from studies.preregistrations import Preregistration


def preregistration_of(
    study: Study,
    blocks: Sequence[dict[str, Any]],
    constructs: Sequence[Construct],
    tests: Sequence[str],
    images: tuple[Sequence[PlannedStimulus], Sequence[PlannedPair]],
) -> dict[str, Any]:
    """Return the fields of the plan's preregistration.

    :param blocks: the planned blocks, with their numbers of trials.
    :param tests: names of the primary tests.
    :param images: the stimuli and pairs of the plan.
    """
    own = Preregistration.objects.filter(study=study).first() or Preregistration(study=study)
    usual = usual_texts(study, blocks, constructs, tests, images)
    texts = {name: getattr(own, name) or text for name, text in usual.items()}
    written = [row.to_json() for row in study.hypotheses.order_by("name")]
    stop = {"until": "date", "date": own.stop_on.isoformat()} if own.stop_on else {"until": "number"}
    return {
        **texts,
        "hypotheses": written or usual_hypotheses(tests),
        "stopping": {**stop, "looks": own.planned_looks(), "precision": own.precision()},
        "correction": own.correction,
    }


def usual_texts(
    study: Study,
    blocks: Sequence[dict[str, Any]],
    constructs: Sequence[Construct],
    tests: Sequence[str],
    images: tuple[Sequence[PlannedStimulus], Sequence[PlannedPair]],
) -> dict[str, str]:
    """Write every text of the forms from a study's design; empty where only its people can know."""
    return {
        **(_of_photographs(*images) if study.matched_set is None else _of_pairs(*images)),
        "additional_blinding": "",
        "design": _design(study, blocks),
        "randomization": f"Each participant gets one of {study.n_lists} counterbalanced lists of "
        f"trials, the one that fewest have. Orders and sides follow from seed {study.seed}.",
        "existing_data": "Registration prior to creation of data: the plan is frozen before "
        "anybody can answer.",
        "existing_data_explained": "",
        "procedures": "Online, in a browser, after informed consent. Who is away for "
        f"{study.timeout_minutes} minutes loses the place to somebody else.",
        "sample_size_reason": "",
        "measured": " ".join(
            f"{row.name}: “{row.question}”, from {row.low} (0) to {row.high} (100)." for row in constructs
        ),
        "indices": "Mean rating of each image on each construct, over participants.",
        "statistical_models": f"Primary tests: {', '.join(tests)}, as almond {__version__} computes them "
        "from the export.",
        "transformations": "Ratings are standardised within participant and construct, over all "
        "images that the participant rated and without regard to how these were made.",
        "exclusions": "Participants who did not answer every trial, and responses to other image bytes "
        "than the plan's. No rule looks at what an image was made for.",
        "missing_data": _missing_data(blocks),
        "exploratory": "Everything that is not a hypothesis above.",
        "other": "",
    }


def _missing_data(blocks: Sequence[dict[str, Any]]) -> str:
    said = "Nothing is imputed: participants with open trials are left out."
    late = any(block.get("deadline_s") for block in blocks)
    return f"{said} So are answers that missed a deadline." if late else said


def _design(study: Study, blocks: Sequence[dict[str, Any]]) -> str:
    parts = [
        f"block “{block['name']}” of {block['trials']} trials ({block['kind']}"
        + (f", {block['repeats']} of them repeats)" if block["repeats"] else ")")
        + (f" only if {block['only_if']}" if block.get("only_if") else "")
        + (f" and the end if {block['end_if']}" if block.get("end_if") else "")
        + (f" with a deadline of {block['deadline_s']:g} s" if block.get("deadline_s") else "")
        + (f" with quotas ({'; '.join(block['quotas'])})" if block.get("quotas") else "")
        for block in blocks
    ]
    return f"Within participants: each of {study.participants_planned} goes through {', then '.join(parts)}."


def _of_pairs(stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]) -> dict[str, str]:
    scenes = len({row.base_scene for row in stimuli})
    targets = ", ".join(sorted({row.target for row in stimuli if row.target}))
    paired = f" in {len(pairs)} pairs" if pairs else ""
    return {
        "study_type": "Experiment: what differs between the images of a scene was manipulated.",
        "blinding": "Participants do not know that images were manipulated, nor how.",
        "manipulated": f"Direction of the predicted response along {targets}: higher or lower, within "
        f"each of {scenes} base scenes; {len(stimuli)} images{paired}.",
    }


def _of_photographs(stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]) -> dict[str, str]:
    different = {frozenset((pair.high, pair.low)) for pair in pairs}
    paired = f" in {len(different)} pairs" if pairs else ""
    return {
        "study_type": "Observational: the images are natural ones and were not manipulated.",
        "blinding": "Participants know neither norms nor predicted responses of the images.",
        "manipulated": f"None; {len(stimuli)} natural images{paired}.",
    }
