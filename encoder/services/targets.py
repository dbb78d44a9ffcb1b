"""Targets: described, checked, computed by jobs, stored. Changes are audited."""

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
from encoder.models import Encoder, Target
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
    """Create a target and enqueue the job that computes its weights.

    ``coefficients`` is region -> weight and defaults to the region called ``name``; ``subjects`` defaults to
    all that were fitted; ``reference`` is ``{"kind": "world", "scenes": n, "seed": s}`` (the default),
    ``{"kind": "folder", "path": folder of images}`` or ``{"kind": "table"}`` (the encoder's own table).

    ``axis`` makes it a direction estimated from data: ``{"method": "principal", "number": k}``, the k-th
    principal component of the regions' scores; ``{"method": "selective", "of": region}``, the part of that
    region's score that is uncorrelated with the scores of the others; ``{"method": "images", "low": folder,
    "high": folder}``, the discriminant between two sets of images. The regions of the first two are those of
    ``coefficients``.

    A judge ``of_guide`` scores images of that guide only, so that its subjects may serve other guides.
    """
    method = dict(axis or {})
    of_images = method.get("method") == "images"
    parts = {} if of_images else dict(coefficients or {name: 1.0})
    selected = [] if of_images else list(subjects) if subjects is not None else fitted_subjects(encoder)
    standard = dict(reference or default_reference(encoder))
    check_target(
        name=name,
        encoder=encoder,
        role=role,
        subjects=selected,
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
        subjects=selected,
        coefficients=parts,
        axis=method,
        of_guide=of_guide,
        reference=standard,
    )
    record(
        verb="create", subject=target, by=by, coefficients=parts, subjects=selected, role=role, axis=method
    )
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
    """Create a guide of each subject alone, with a judge of all the others: guide and judge ``LB_01``.

    :raises InputError: fewer than two subjects, or what ``make_target`` refuses.
    """
    selected = list(subjects) if subjects is not None else fitted_subjects(encoder)
    if len(selected) < 2 or dict(axis or {}).get("method") == "images":
        raise InputError(
            "subjects", f"{len(selected)} cannot score each other's images", "weights of two or more subjects"
        )
    made = []
    for subject in selected:
        shared: dict[str, Any] = {
            "name": f"{name}_{subject}",
            "encoder": encoder,
            "coefficients": coefficients or {name: 1.0},
            "reference": reference,
            "axis": axis,
            "by": by,
        }
        guide = make_target(subjects=[subject], **shared)
        others = [other for other in selected if other != subject]
        judge = make_target(subjects=others, role=Target.Role.JUDGE, of_guide=guide, **shared)
        made += [guide, judge]
    return made


@transaction.atomic
def ask_for_target(*, target: Target, by: User | None) -> Target:
    """Enqueue the job that computes a target's weights.

    :raises InputError: they are computed already.
    """
    if target.digest:
        raise InputError(target, "is computed already", "a target that is still waiting")
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
    """Return the images on which scores are standardised unless others are named."""
    if encoder.feature_space.is_table:
        return {"kind": "table"}
    return {"kind": "world", "scenes": REFERENCE_SCENES, "seed": 0}


def check_reference(*, encoder: Encoder, kind: str) -> None:
    """Check that scores can be standardised on a kind of reference.

    :raises InputError: images for a table, a table for a network, or feature spaces that cannot score an
        image (several of them, or conditions of events).
    """
    space = encoder.feature_space
    has_table = space.is_table
    if encoder.more_spaces.exists() or not (has_table or space.is_network):
        raise InputError(
            "encoder",
            f"{encoder} predicts from {'several feature spaces' if space.is_network else space}, "
            "which cannot score an image",
            "an encoder with one network or one table",
        )
    if has_table != (kind == "table"):
        raise InputError(
            "reference kind",
            f"{kind} does not fit the feature space {encoder.feature_space}",
            "its own table" if has_table else "scenes or a folder of images",
        )


def fitted_subjects(encoder: Encoder) -> list[str]:
    """List the subjects of whom any region is fitted."""
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
    """Check the description of a target.

    :raises InputError: a name that is taken or cannot head a column, weights that are not fitted, or a judge
        that shares a subject with a guide.
    """
    if not name.isidentifier():
        raise InputError("name", f"{name!r} cannot head a column", "letters, digits and underscores")
    if name.endswith("_judge"):
        raise InputError(
            "name", f"{name!r} ends like the name of a judge's score", "a name that does not end in _judge"
        )
    if encoder.targets.filter(name=name, role=role).exists():
        raise InputError("name", f"{encoder} already has a {role} called {name}", "a name of its own")
    if not encoder.gives_weights:
        raise InputError("encoder", f"{encoder.model} has no weight for each feature", "another model")
    if axis:
        check_axis(axis, encoder, coefficients)
        if axis["method"] == "images":
            return
    _check_weights(encoder, subjects, coefficients)
    _check_roles(encoder, role, subjects, of_guide)


def check_axis(axis: Mapping[str, Any], encoder: Encoder, coefficients: Mapping[str, float]) -> None:
    """Check how an axis is estimated.

    :raises InputError: an unknown method, too few regions, or folders that do not exist.
    """
    method = axis.get("method")
    if method not in AXES:
        raise InputError("axis", f"{method!r} is no method", f"one of {', '.join(AXES)}")
    if method == "images":
        if not encoder.feature_space.is_network:
            raise InputError(
                "axis", "only a network computes features of images", "an encoder with a network"
            )
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
        raise InputError("subjects", "none is selected or fitted", f"subjects fitted by {encoder}")
    if not coefficients or not any(coefficients.values()):
        raise InputError("coefficients", "no region has a weight", "region -> weight, one or more not 0")
    if not all(math.isfinite(weight) for weight in coefficients.values()):
        raise InputError("coefficients", f"{dict(coefficients)}", "a finite number for each region")
    fitted = set(encoder.versions.values_list("subject", "region__name"))
    missing = [(who, name) for who in subjects for name in coefficients if (who, name) not in fitted]
    if missing:
        who, name = missing[0]
        raise InputError(
            "coefficients", f"{name} is not fitted for sub-{who}", f"regions fitted by {encoder}"
        )


def _check_roles(encoder: Encoder, role: str, subjects: Sequence[str], of_guide: Target | None) -> None:
    """Check that a judge shares no subject with the guides, or with the only guide that it scores."""
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
                "guides and judges made of different subjects",
            )


@transaction.atomic
def finish_target(
    *, target: Target, digest: str, path: Path | str, sources: Sequence[str], by: User | None
) -> Target:
    """Store what the job computed: digest and file of the weights, and the artifacts that they come from."""
    target.digest, target.path, target.sources = digest, str(path), list(sources)
    target.save(update_fields=["digest", "path", "sources"])
    record(verb="make", subject=target, by=by, digest=digest)
    return target


def others_of(guide: Target) -> list[str]:
    """List the fitted subjects that a guide was not made of."""
    return [subject for subject in fitted_subjects(guide.encoder) if subject not in guide.subjects]


@transaction.atomic
def make_judge(*, guide: Target, by: User | None) -> Target:
    """Create a judge for one guide only, of all subjects that the guide was not made of.

    :raises InputError: the target is no guide, has a judge of its own already, or is of every subject.
    """
    if guide.role != Target.Role.GUIDE or guide.own_judges.exists():
        raise InputError(guide, "cannot have a further judge of its own", "a guide without one")
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
