"""The report of axes: what they are, how far each side goes, what moves beside, clusters beside regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.axes.dose import SideDose
from almond.axes.explore import AxesFindings, ReadAxes
from almond.axes.figures import dose_figure, plane_figure, push_figure, sides_cell
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.wording import percent, signed
from almond.report.write import report_folder, write_pages
from almond.targets.target import save_target

KIND = "almond-axes"
FORMAT = f"{KIND}/1"
WAYS = {1: "up", -1: "down"}


def write_axes(findings: AxesFindings, out: Path) -> dict[str, Any]:
    """Write the report's pages, ``result.json``, ``unguided.csv``, ``pushes.csv`` and the axes as target
    files (``targets/``) into ``out``, and return what result.json holds.

    The folder appears whole, in the place of an earlier report of this kind.
    """
    result = axes_result(findings)
    with report_folder(out, KIND) as folder:
        for axis in findings.axes:
            save_target(folder / "targets", axis.target)
        unguided_table(findings).to_csv(folder / "unguided.csv", index=False, lineterminator="\n")
        push_table(findings).to_csv(folder / "pushes.csv", index=False, lineterminator="\n")
        figures = {f"pushes-{n}": push_figure(findings, n) for n in range(len(findings.axes))}
        figures |= {f"dose-{n}": dose_figure(findings, n) for n in range(len(findings.axes))}
        if len(findings.axes) > 1:
            figures["plane"] = plane_figure(findings)
        write_pages(folder, axes_document(findings), figures, result)
    return result


def unguided_table(findings: AxesFindings) -> pd.DataFrame:
    """Tabulate the unguided pictures: scores, places along the axes, cluster."""
    columns = {name: findings.unguided[:, place] for place, name in enumerate(findings.targets)}
    columns |= {axis.name: findings.along[:, place] for place, axis in enumerate(findings.axes)}
    return pd.DataFrame({**columns, "cluster": findings.clusters.labels + 1})


def push_table(findings: AxesFindings) -> pd.DataFrame:
    """Tabulate the pushed pictures by axis, side, strength and scene, with the digest of each recipe."""
    return pd.DataFrame(
        {
            "axis": findings.axes[push.axis].name,
            "direction": push.direction,
            "strength": push.strength,
            "calibrated": push.calibrated,
            "prompt": push.recipe.prompt,
            "seed": push.recipe.seed,
            "recipe_digest": push.recipe.digest,
        }
        for push in findings.pushes
    )


def axes_result(findings: AxesFindings) -> dict[str, Any]:
    """Collect what result.json holds."""
    section, clusters = findings.config.axes, findings.clusters
    return {
        "format": FORMAT,
        "headline": findings.headline,
        "settings": section.model_dump(mode="json", exclude={"report"}),
        "targets": list(findings.targets),
        "unguided": len(findings.unguided),
        "axes": [
            {
                "name": axis.name,
                "weights": dict(zip(findings.targets, map(float, axis.weights), strict=True)),
                "share_of_variance": axis.share,
                "target_digest": axis.target.digest,
                "calibrated_strengths": {WAYS[d]: findings.strengths[number, d] for d in (1, -1)},
                "read": {
                    name: [_side_json(side, read, number) for side in read.sides if side.axis == number]
                    for name, read in findings.read.items()
                },
            }
            for number, axis in enumerate(findings.axes)
        ],
        "clusters": {
            "sizes": np.bincount(clusters.labels).tolist(),
            "centres": clusters.centres.tolist(),
            "highest_scores": clusters.counts.tolist(),
            "silhouette": clusters.silhouette,
            "adjusted_rand_with_regions": clusters.agreement,
        },
        "provenance": dict(findings.provenance),
    }


def _side_json(side: SideDose, read: ReadAxes, number: int) -> dict[str, Any]:
    reached = float(read.reached[number, 0 if side.direction > 0 else 1])
    return {
        "side": WAYS[side.direction],
        "strengths": side.strengths.tolist(),
        "shift": side.curve.tolist(),
        "off_axis": side.off_axis.tolist(),
        "right_sign": side.right_sign,
        "monotone": side.monotone,
        "reached_when_calibrated": None if np.isnan(reached) else reached,
    }


def axes_document(findings: AxesFindings) -> Document:
    """Write the report of axes."""
    config, prompts = findings.config, len(findings.config.prompts)
    known = [axis.share for axis in findings.axes if axis.share is not None]
    return Document(
        title="Axes of score space",
        mode="exploratory",
        mode_text="Axes come from predictions alone; whether people see them is a question for a study.",
        answers=tuple(findings.headline),
        lead=(
            f"{config.generator}: {len(findings.unguided)} unguided pictures of {prompts} prompt"
            f"{'' if prompts == 1 else 's'}, scored for {', '.join(findings.targets)}; "
            f"{len(findings.pushes)} pictures pushed."
        ),
        key_numbers=(
            *(
                [KeyNumber("variance", percent(sum(known)), "of unguided scores along the components")]
                if known
                else []
            ),
            KeyNumber("clusters", str(len(findings.clusters.centres)), "of unguided score profiles"),
        ),
        sections=(
            *((_plane(findings),) if len(findings.axes) > 1 else ()),
            *(_axis_section(findings, number) for number in range(len(findings.axes))),
            _clusters(findings),
        ),
    )


def _plane(findings: AxesFindings) -> Section:
    caption = "Unguided pictures; arrows show how each target lies in the plane, in relative length."
    return Section("The plane of the first two axes", figures=(Picture("plane", caption),))


def _axis_section(findings: AxesFindings, number: int) -> Section:
    axis = findings.axes[number]
    share = "" if axis.share is None else f" It holds {percent(axis.share)} of the variance."
    weights = ", ".join(
        f"{name} {signed(float(weight))}" for name, weight in zip(findings.targets, axis.weights, strict=True)
    )
    rows = tuple(
        (
            name,
            WAYS[side.direction],
            f"{side.curve[-1]:.2f}",
            sides_cell(np.delete(side.off_axis, number)),
            percent(side.right_sign),
            percent(side.monotone),
            _reached_cell(read, number, side.direction),
        )
        for name, read in findings.read.items()
        for side in read.sides
        if side.axis == number
    )
    others = ", ".join(other.name for place, other in enumerate(findings.axes) if place != number)
    header = (
        "reader",
        "side",
        "shift",
        f"off axis: {others or 'none'}",
        "right side",
        "monotone",
        "calibrated",
    )
    return Section(
        axis.name,
        paragraphs=(f"Weights of standardised scores: {weights}.{share}",),
        figures=(
            Picture(f"pushes-{number}", "One scene by signed strength."),
            Picture(f"dose-{number}", "Mean shift over scenes; thick this axis, thin the others."),
        ),
        tables=(Table(header, rows, text=(0, 1, 3), wrapped=(0, 3)),),
        notes=(
            "Shifts at the largest strength, in SD of unguided scores. Calibrated: the shift of pictures "
            f"that were drawn at the strength where the guide's dose curve of the side reaches "
            f"{findings.config.axes.wanted:g} SD.",
        ),
    )


def _reached_cell(read: ReadAxes, number: int, direction: int) -> str:
    value = float(read.reached[number, 0 if direction > 0 else 1])
    return "not reachable" if np.isnan(value) else f"{value:.2f}"


def _clusters(findings: AxesFindings) -> Section:
    clusters = findings.clusters
    rows = tuple(
        (
            str(place + 1),
            str(int(counts.sum())),
            *(f"{signed(float(centre[n]))} ({counts[n]})" for n in range(len(findings.targets))),
        )
        for place, (centre, counts) in enumerate(zip(clusters.centres, clusters.counts, strict=True))
    )
    return Section(
        "Clusters of profiles beside the named regions",
        paragraphs=(
            f"Silhouette {clusters.silhouette:.2f} (near 0: no clusters, only a cloud that was cut). "
            f"Agreement with the region that scores highest: adjusted Rand index {clusters.agreement:.2f} "
            "(0 is chance).",
        ),
        tables=(Table(("cluster", "pictures", *findings.targets), rows, text=(0,)),),
        notes=("Mean standardised score; in brackets the pictures whose highest score is the region's.",),
    )
