"""What encoders cost as volumes, features, voxels and subjects grow: ``python -m
benchmarks.encoder_growth``.

Each size is fitted in a fresh process: PLS with all component numbers and ridge with a list of penalties,
five folds and all rows. ``--json`` prints one JSON object, otherwise a table in Markdown; ``--picture FILE``
draws it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from almond.encoding.models.estimators import Estimator, Pls, Problem, Ridge, solve
from almond.progress import Silent
from benchmarks.encoder_data import (
    Scale,
    contiguous,
    in_child,
    leave,
    parsed,
    regions,
    show,
    simulated,
    surroundings,
    timed,
)

BASE = Scale(rows=2000, features=1024, voxels=250)
STEPS: dict[str, tuple[int, ...]] = {
    "rows": (500, 1000, 2000, 4000, 8000),
    "features": (256, 512, 1024, 2048, 4096),
    "voxels": (50, 125, 250, 500, 1000, 2000),
    "subjects": (1, 2, 4),
}
NAMES = {"rows": "volumes T", "features": "features D", "voxels": "voxels V", "subjects": "subjects"}


@dataclass(frozen=True)
class Settings(Scale):
    subjects: int = 1


def _fit(estimator: Estimator, settings: Settings, out: Path) -> None:
    """Whole region and four subregions of each subject, one after the other."""
    folds = contiguous(settings.rows, settings.folds)
    spent = []
    for subject in range(settings.subjects):
        x, y = simulated(replace(settings, seed=settings.seed + subject))
        columns = list(regions(settings.voxels).values())
        problem = Problem(x, y, columns, folds, lambda fold: contiguous(len(fold.train), 4))
        spent.append(timed(partial(solve, estimator, problem, progress=Silent()))[0])
    used = sum(one.processor_seconds for one in spent)
    leave(out, {"seconds": sum(one.seconds for one in spent), "processor_seconds": used})


def pls(settings: Settings, out: Path) -> None:
    _fit(Pls((settings.components,)), settings, out)


def ridge(settings: Settings, out: Path) -> None:
    _fit(Ridge(tuple(np.logspace(-3, 3, settings.penalties).tolist())), settings, out)


CHILDREN = {"pls": pls, "ridge": ridge}


def measured(threads: int, most: int) -> list[dict[str, Any]]:
    """One row per size; sizes above ``most`` are left out."""
    found = []
    for name, sizes in STEPS.items():
        for size in (one for one in sizes if one <= most):
            settings = Settings(**{**asdict(BASE), name: size})
            row: dict[str, Any] = {"grows": name, "size": size}
            for model in CHILDREN:
                report, _ = in_child("benchmarks.encoder_growth", model, settings, threads)
                row[f"{model}_seconds"] = round(report["seconds"], 2)
                row[f"{model}_processor_seconds"] = round(report["processor_seconds"], 2)
                row[f"{model}_peak_mb"] = round(report["peak_mb"])
            sys.stderr.write(json.dumps(row) + "\n")
            found.append(row)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, with processor seconds: other work on the machine counts least in them."""
    lines = ["| | | PLS, s | PLS, MiB | ridge, s | ridge, MiB |", "| --- | --: | --: | --: | --: | --: |"]
    for row in rows:
        numbers = [
            f"{row['pls_processor_seconds']:.2f}",
            row["pls_peak_mb"],
            f"{row['ridge_processor_seconds']:.1f}",
        ]
        cells = [NAMES[row["grows"]], row["size"], *numbers, row["ridge_peak_mb"]]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Processor seconds against size, a panel for each thing that grows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(STEPS), figsize=(11, 2.9), sharey=True, layout="constrained")
    for panel, name in zip(panels, STEPS, strict=True):
        of = [row for row in rows if row["grows"] == name]
        sizes = [row["size"] for row in of]
        for model, colour, marker in (("pls", "#1f6f8b", "o"), ("ridge", "#c2571a", "s")):
            seconds = [row[f"{model}_processor_seconds"] for row in of]
            label = "PLS, 20 components" if model == "pls" else "ridge, 10 penalties, nested"
            panel.loglog(sizes, seconds, color=colour, marker=marker, markersize=4, label=label)
        panel.set_xticks(sizes, [str(size) for size in sizes], fontsize=8, rotation=45)
        panel.minorticks_off()
        panel.set_xlabel(NAMES[name])
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("processor seconds")
    panels[0].legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=10_000, help="leave larger sizes out")
    parser.add_argument("--picture", type=Path)
    arguments = parsed(parser, CHILDREN, Settings)
    if arguments is None:
        return
    rows = measured(arguments.threads, arguments.most)
    if arguments.picture:
        draw(rows, arguments.picture)
    report = {"base": asdict(BASE), **surroundings(arguments.threads), "rows": rows}
    show(report, arguments, table(rows))


if __name__ == "__main__":
    main()
