"""What the pictures look like: one scene of each target from the strongest push down to the strongest up."""

from __future__ import annotations

from matplotlib.figure import Figure

from almond.diagnosis.evidence import DiagnosisEvidence
from almond.report.figures_style import new_figure, remove_frame, style
from almond.report.wording import signed


def example_pictures(evidence: DiagnosisEvidence) -> Figure:
    """Draw the first scene of the first prompt: a row per target, pictures by signed strength.

    The judge's score (the guide's, where there is no judge) of the row's target stands below each.
    """
    sizes = evidence.settings.ordered_strengths
    down = [-size for size in reversed(sizes)] if evidence.settings.both_signs else []
    columns = [*down, 0.0, *sizes]
    reader = evidence.judge or evidence.guide
    with style():
        figure = new_figure(1.15 * len(evidence.targets) + 0.3, 0.5 + 1.0 * len(columns))
        grid = figure.subplots(len(evidence.targets), len(columns), squeeze=False)
        for line, target in zip(grid, evidence.targets, strict=True):
            for axes, strength in zip(line, columns, strict=True):
                row = _row(evidence, target, strength)
                axes.imshow(evidence.images[row])
                remove_frame(axes)
                score = evidence.scores[reader][row, evidence.targets.index(target)]
                axes.set_xlabel(signed(score, 1), fontsize=8)
                if target == evidence.targets[0]:
                    axes.set_title(f"{strength:+g}" if strength else "0", fontsize=8, loc="center")
            line[0].set_ylabel(target)
    return figure


def _row(evidence: DiagnosisEvidence, target: str, strength: float) -> int:
    if strength == 0:
        return int(evidence.unguided[0])
    direction = 1 if strength > 0 else -1
    return int(evidence.rows("guided", target=target, direction=direction, strength=abs(strength))[0])
