"""Every change to studies: who did it is written down, and nothing changes once a study is frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.design.arms import arms_of_lists
from almond.design.assignment import make_lists
from almond.design.words import ENGLISH
from almond.errors import InputError
from generation.models import ImageSet, MatchedSet
from studies import texts
from studies.models import AssignmentList, Block, Construct, Study
from studies.services import log
from studies.services.findings import check_level
from studies.services.plans import build_plan

State = Study.State
UNREHEARSED = "open without rehearsal"
"""Audit events of studies that were opened so: their ``reason`` stands in exports and reports."""


@dataclass(frozen=True)
class BlockSpec:
    """A block to be made; ``trials=None`` shows every image or pair once.

    :param asked_of: of which pairs its questions are asked, ``Block.AskedOf``.
    :param image_set: photographs of its own instead of the study's images.
    """

    kind: str
    name: str
    constructs: Sequence[Construct]
    trials: int | None = None
    repeats: int = 0
    instructions: str = ""
    arms: str = ""
    most_of_scene: int | None = None
    asked_of: str = Block.AskedOf.ALL
    image_set: ImageSet | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@transaction.atomic
def create_construct(
    *,
    name: str,
    question: str,
    low: str,
    high: str,
    by: User | None,
    choice: str = "",
    target: str = "",
    language: str = ENGLISH,
) -> Construct:
    """Add a judgement; ``choice`` is its question for pairs, those of ``target``."""
    words = {"question": question, "low": low, "high": high, "choice": choice, "language": language}
    row = Construct(name=name, target=target, **words)
    save_new(row)
    record(verb="create", subject=row, by=by)
    return row


@transaction.atomic
def create_study(
    *,
    title: str,
    slug: str,
    by: User | None,
    matched_set: MatchedSet | None = None,
    image_set: ImageSet | None = None,
    blocks: Iterable[BlockSpec] = (),
    **more: Any,
) -> Study:
    """A draft. ``more``: seed, participants_planned, n_lists, permutations, timeout_minutes, consent,
    debriefing. ``InputError`` for two sources of images, or a slug that is taken."""
    if matched_set is not None and image_set is not None:
        raise InputError("study", "has two sources of images", "a matched set or an image set")
    check_lists(more)
    study = Study(title=title, slug=slug, matched_set=matched_set, image_set=image_set, **more)
    texts.follow_language(study)
    save_new(study)
    for order, spec in enumerate(blocks, start=1):
        add_block(study=study, order=order, spec=spec)
    record(verb="create", subject=study, by=by)
    return study


def check_lists(fields: dict[str, Any]) -> None:
    lists = fields.get("n_lists", Study._meta.get_field("n_lists").default)
    participants = fields.get("participants_planned", Study._meta.get_field("participants_planned").default)
    if lists > participants:
        raise InputError("lists", f"{lists} for {participants} participants", "no more than participants")


def save_new(row: Model) -> None:
    """Insert a row; ``InputError`` names every field that is wrong or taken."""
    fixed = {field.name for field in row._meta.concrete_fields if not field.editable}
    try:
        row.full_clean(exclude=fixed)
    except ValidationError as error:
        problems = [f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
        raise InputError(f"{row._meta.verbose_name} {row}", "; ".join(problems)) from error
    row.save(force_insert=True)


def add_block(*, study: Study, order: int, spec: BlockSpec) -> Block:
    block = Block(
        study=study,
        order=order,
        kind=spec.kind,
        name=spec.name,
        trials=spec.trials,
        repeats=spec.repeats,
        instructions=spec.instructions,
        arms=spec.arms,
        most_of_scene=spec.most_of_scene,
        asked_of=spec.asked_of,
        image_set=spec.image_set,
        settings=dict(spec.settings),
    )
    save_new(block)
    block.constructs.set(spec.constructs)
    return block


def lock_draft(*, study: Study) -> Study:
    """The study's row, held until the transaction ends; ``InputError`` unless it is a draft."""
    current = Study.objects.select_for_update().get(pk=study.pk)
    if not current.is_draft:
        raise InputError(
            f"study {current.title!r}", f"is {current.state}: nothing of it can change", "a draft"
        )
    return current


@transaction.atomic
def freeze(*, study: Study, by: User | None) -> Study:
    """Build the plan, seal it under its digest and make its lists; ``InputError`` says what is missing."""
    current = lock_draft(study=study)
    plan = build_plan(current)
    check_level(current, plan)
    check_lists({"n_lists": current.n_lists, "participants_planned": current.participants_planned})
    if current.n_lists < len(plan.arms):
        raise InputError("lists", f"{current.n_lists} for {len(plan.arms)} arms", "at least one for each")
    current.plan, current.plan_digest = plan.to_json(), plan.digest
    current.state, current.frozen_at, current.frozen_by = State.FROZEN, timezone.now(), by
    current.save()
    base, more = divmod(current.participants_planned, current.n_lists)
    arms = arms_of_lists(plan.arms, current.n_lists)
    AssignmentList.objects.bulk_create(
        AssignmentList(
            study=current,
            number=number,
            arm=arms[number],
            trials=[trial.to_json() for trial in trials],
            capacity=base + (number < more),
        )
        for number, trials in enumerate(make_lists(plan, current.n_lists))
    )
    record(verb="freeze", subject=current, by=by, plan_digest=plan.digest)
    log.append(current, log.STATES, "freeze", current.slug, {"plan_digest": plan.digest})
    return current


@transaction.atomic
def open_study(*, study: Study, by: User | None, reason: str = "") -> Study:
    """Let participants in, for the first time or after a pause.

    :param reason: why a study for people is opened that passed no rehearsal; else it is not stored.
    :raises InputError: it cannot open now, or there is neither a passed rehearsal nor a reason.
    """
    unrehearsed = needs_rehearsal(study)
    if unrehearsed and not reason.strip():
        expected = "a passed rehearsal, or the reason to open without one"
        raise InputError(f"study {study.title!r}", "has passed no rehearsal", expected)
    sealed = {"unrehearsed": reason.strip()} if unrehearsed else {}
    moved = move(study, by, "open", (State.FROZEN, State.PAUSED), State.LIVE, sealed=sealed)
    if unrehearsed:
        record(verb=UNREHEARSED, subject=moved, by=by, reason=reason.strip())
    Study.objects.filter(pk=study.pk, opened_at__isnull=True).update(opened_at=timezone.now())
    moved.refresh_from_db()
    return moved


def needs_rehearsal(study: Study) -> bool:
    """Tell whether a study that was frozen is for people, was never open, and passed no rehearsal."""
    current = Study.objects.only("state", "rehearsal").get(pk=study.pk)
    waits = current.state == State.FROZEN and not current.rehearsal
    return waits and not current.rehearsals.filter(passed=True).exists()


def pause(*, study: Study, by: User | None) -> Study:
    """Let nobody in and take no answers; browsers keep theirs and send them when the study goes on."""
    return move(study, by, "pause", (State.LIVE,), State.PAUSED)


def close(*, study: Study, by: User | None) -> Study:
    """End the study for good: nobody joins any more; who takes part may finish until ``Study.ends_at``."""
    return move(
        study, by, "close", (State.FROZEN, State.LIVE, State.PAUSED), State.CLOSED, closed_at=timezone.now()
    )


@transaction.atomic
def move(
    study: Study,
    by: User | None,
    verb: str,
    before: tuple[State, ...],
    after: State,
    *,
    sealed: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Study:
    """Change the state by a conditional update; ``InputError`` when the study is in none of ``before``.

    :param sealed: what the study's log seals beside the state.
    """
    changed = Study.objects.filter(pk=study.pk, state__in=before).update(state=after, **fields)
    study.refresh_from_db()
    if changed == 0:
        allowed = " or ".join(state.label for state in before)
        raise InputError(
            f"study {study.title!r}", f"is {study.state}: it cannot {verb} now", f"one that is {allowed}"
        )
    record(verb=verb, subject=study, by=by)
    log.append(study, log.STATES, verb, study.slug, {"state": after, **(sealed or {})})
    return study


@transaction.atomic
def delete_draft(*, study: Study, by: User | None) -> None:
    current = lock_draft(study=study)
    record(verb="delete", subject=current, by=by, title=current.title)
    current.delete()
