"""Targets: described, checked, handed to a job, kept. ``encoder.services`` offers these to other apps."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder.models import Encoder, FeatureSpace, Target
from jobs.services import enqueue

REFERENCE_SCENES = 400
AXES = ("principal", "selective", "images")
SHRINKAGE = 0.1


@transaction.atomic
def make_target(
    *,
    name: str,
    encoder: Encoder,
    by: User | None,
    role: str = Target.Role.GUIDE,
    subjects: Sequence[str] | None = None,
    coefficients: Mapping[str, float] | None = None,
    reference: Mapping[str, Any] | None = None,
    axis: Mapping[str, Any] | None = None,
    of_guide: Target | None = None,
) -> Target:
    """Describe a target and hand its making to a job.

    ``coefficients`` is region -> weight and defaults to the region called ``name``; ``subjects`` defaults to
    all that were fitted; ``reference`` is ``{"kind": "world", "scenes": n, "seed": s}`` (the default),
    ``{"kind": "folder", "path": folder of images}`` or ``{"kind": "table"}`` (the encoder's own table).

    ``axis`` makes it a direction found in data: ``{"method": "principal", "number": k}``, the k-th principal
    component of the regions' scores; ``{"method": "selective", "of": region}``, what that region's score says
    beyond those of the others; ``{"method": "images", "low": folder, "high": folder}``, from images that lack
    something to images that have it. The regions of the first two are those of ``coefficients``.

    A judge ``of_guide`` judges that guide alone, so that its subjects may have guided others.
    """
    method = dict(axis or {})
    of_images = method.get("method") == "images"
    parts = {} if of_images else dict(coefficients or {name: 1.0})
    chosen = [] if of_images else list(subjects) if subjects is not None else fitted_subjects(encoder)
    standard = dict(reference or default_reference(encoder))
    check_target(
        name=name,
        encoder=encoder,
        role=role,
        subjects=chosen,
        coefficients=parts,
        axis=method,
        of_guide=of_guide,
    )
    check_reference(encoder=encoder, kind=standard["kind"])
    target = Target.objects.create(
        name=name,
        encoder=encoder,
        kind=_kind(parts, method),
        role=role,
        subjects=chosen,
        coefficients=parts,
        axis=method,
        of_guide=of_guide,
        reference=standard,
    )
    record(verb="create", subject=target, by=by, coefficients=parts, subjects=chosen, role=role, axis=method)
    return ask_for_target(target=target, by=by)


def _kind(parts: Mapping[str, float], axis: Mapping[str, Any]) -> str:
    if axis:
        return Target.Kind.AXIS
    return Target.Kind.REGION if len(parts) == 1 else Target.Kind.CONTRAST


@transaction.atomic
def make_targets_of_each(
    *,
    name: str,
    encoder: Encoder,
    by: User | None,
    subjects: Sequence[str] | None = None,
    coefficients: Mapping[str, float] | None = None,
    reference: Mapping[str, Any] | None = None,
    axis: Mapping[str, Any] | None = None,
) -> list[Target]:
    """A guide of each subject alone, with a judge of all the others: ``LB_01`` and its judge ``LB_01``.

    :raises InputError: fewer than two subjects, or what ``make_target`` refuses.
    """
    chosen = list(subjects) if subjects is not None else fitted_subjects(encoder)
    if len(chosen) < 2 or dict(axis or {}).get("method") == "images":
        raise InputError(
            "subjects", f"{len(chosen)} cannot judge each other", "weights of two or more subjects"
        )
    made = []
    for subject in chosen:
        shared: dict[str, Any] = {
            "name": f"{name}_{subject}",
            "encoder": encoder,
            "coefficients": coefficients or {name: 1.0},
            "reference": reference,
            "axis": axis,
            "by": by,
        }
        guide = make_target(subjects=[subject], **shared)
        others = [one for one in chosen if one != subject]
        judge = make_target(subjects=others, role=Target.Role.JUDGE, of_guide=guide, **shared)
        made += [guide, judge]
    return made


@transaction.atomic
def ask_for_target(*, target: Target, by: User | None) -> Target:
    """Hand the making of a target to a job; a target that was made stays as it is."""
    if target.digest:
        raise InputError(target, "is already made", "a target that is still waiting")
    target.job = enqueue(
        kind="encoder.make_target",
        arguments={"target": target.pk},
        by=by,
        key=f"encoder.make_target:{target.pk}",
    )
    target.save(update_fields=["job"])
    record(verb="make_target", subject=target, by=by)
    return target


def default_reference(encoder: Encoder) -> dict[str, Any]:
    if encoder.feature_space.kind == FeatureSpace.Kind.TABLE:
        return {"kind": "table"}
    return {"kind": "world", "scenes": REFERENCE_SCENES, "seed": 0}


def check_reference(*, encoder: Encoder, kind: str) -> None:
    """``InputError`` when scores could not be standardised: a table cannot look at images, a network has no
    rows, and of several spaces or of events nothing can score an image."""
    space = encoder.feature_space
    has_table = space.kind == FeatureSpace.Kind.TABLE
    if encoder.more_spaces.exists() or not (has_table or space.is_network):
        raise InputError(
            "encoder",
            f"{encoder} predicts from {'several feature spaces' if space.is_network else space}, "
            "which score no image",
            "an encoder with one network or one table",
        )
    if has_table != (kind == "table"):
        raise InputError(
            "reference kind",
            f"{kind} does not go with the feature space {encoder.feature_space}",
            "its own table" if has_table else "scenes or a folder of images",
        )


def fitted_subjects(encoder: Encoder) -> list[str]:
    return sorted(set(encoder.versions.values_list("subject", flat=True)))


def check_target(
    *,
    name: str,
    encoder: Encoder,
    role: str,
    subjects: Sequence[str],
    coefficients: Mapping[str, float],
    axis: Mapping[str, Any] | None = None,
    of_guide: Target | None = None,
) -> None:
    """``InputError`` when a weight is not there to be used, or a judge would share a subject with a guide."""
    if not name.isidentifier():
        raise InputError("name", f"{name!r} cannot head a column", "letters, digits and underscores")
    if name.endswith("_judge"):
        raise InputError(
            "name", f"{name!r} ends like the score of a judge", "a name that does not end in _judge"
        )
    if encoder.targets.filter(name=name, role=role).exists():
        raise InputError("name", f"{encoder} already has a {role} called {name}", "a name of its own")
    if encoder.model == Encoder.Model.FLOW:
        raise InputError("encoder", "flow gives samples and no weights per feature", "another model")
    if axis:
        check_axis(axis, encoder, coefficients)
        if axis["method"] == "images":
            return
    _check_weights(encoder, subjects, coefficients)
    _check_roles(encoder, role, subjects, of_guide)


def check_axis(axis: Mapping[str, Any], encoder: Encoder, coefficients: Mapping[str, float]) -> None:
    """``InputError`` for a method that is none, too few regions, or folders that are not there."""
    method = axis.get("method")
    if method not in AXES:
        raise InputError("axis", f"is found by {method!r}", f"one of {', '.join(AXES)}")
    if method == "images":
        if not encoder.feature_space.is_network:
            raise InputError("axis", "a table cannot look at images", "an encoder with a network")
        for key in ("low", "high"):
            if not os.path.isdir(str(axis.get(key, ""))):
                raise InputError(key, "is not a folder on this server", "a folder of images")
        return
    if len(coefficients) < 2:
        raise InputError("coefficients", f"{len(coefficients)} region", "two or more regions for an axis")
    number = axis.get("number", 1)
    if method == "principal" and not 1 <= int(number) <= len(coefficients):
        raise InputError("number", f"is {number}", f"1 to {len(coefficients)}, the number of regions")
    if method == "selective" and axis.get("of") not in coefficients:
        raise InputError("of", f"{axis.get('of')!r} is not among the regions", ", ".join(coefficients))


def _check_weights(encoder: Encoder, subjects: Sequence[str], coefficients: Mapping[str, float]) -> None:
    if not subjects:
        raise InputError("subjects", "none were chosen or fitted", f"subjects fitted by {encoder}")
    if not coefficients or not any(coefficients.values()):
        raise InputError("coefficients", "no region has a weight", "region -> weight, one or more not 0")
    if not all(math.isfinite(weight) for weight in coefficients.values()):
        raise InputError("coefficients", f"{dict(coefficients)}", "a finite number for each region")
    fitted = set(encoder.versions.values_list("subject", "region__name"))
    missing = [(who, where) for who in subjects for where in coefficients if (who, where) not in fitted]
    if missing:
        who, where = missing[0]
        raise InputError(
            "coefficients", f"{where} is not fitted for sub-{who}", f"regions fitted by {encoder}"
        )


def _check_roles(encoder: Encoder, role: str, subjects: Sequence[str], of_guide: Target | None) -> None:
    """A judge shares no subject with the guides; one of a single guide none with that guide."""
    if of_guide is not None:
        rivals = [of_guide]
    elif role == Target.Role.JUDGE:
        rivals = list(encoder.targets.filter(role=Target.Role.GUIDE))
    else:
        rivals = list(encoder.targets.filter(role=Target.Role.JUDGE, of_guide=None))
    other = Target.Role.JUDGE if role == Target.Role.GUIDE else Target.Role.GUIDE
    for rival in rivals:
        shared = sorted(set(subjects) & set(rival.subjects))
        if shared:
            raise InputError(
                "subjects",
                f"sub-{', sub-'.join(shared)} already serve the {other} {rival.name}",
                "a judge whose subjects did not guide",
            )


@transaction.atomic
def finish_target(
    *, target: Target, digest: str, path: Path | str, sources: Sequence[str], by: User | None
) -> Target:
    """Keep what the job made: the digest and file of the weights, and the artifacts that they came from."""
    target.digest, target.path, target.sources = digest, str(path), list(sources)
    target.save(update_fields=["digest", "path", "sources"])
    record(verb="make", subject=target, by=by, digest=digest)
    return target


def others_of(guide: Target) -> list[str]:
    """The fitted subjects that a guide was not made of."""
    return [subject for subject in fitted_subjects(guide.encoder) if subject not in guide.subjects]


@transaction.atomic
def make_judge(*, guide: Target, by: User | None) -> Target:
    """A judge of one guide alone, made in the same way of all subjects that the guide was not made of.

    :raises InputError: the target is no guide, has a judge of its own already, or is of every subject.
    """
    if guide.role != Target.Role.GUIDE or guide.own_judges.exists():
        raise InputError(guide, "takes no judge of its own", "a guide without one")
    others = others_of(guide)
    if not others:
        raise InputError(guide, "was made of every fitted subject", "a guide that leaves subjects out")
    return make_target(
        name=guide.name,
        encoder=guide.encoder,
        role=Target.Role.JUDGE,
        subjects=others,
        coefficients=guide.coefficients,
        reference=guide.reference,
        axis=guide.axis,
        of_guide=guide,
        by=by,
    )
