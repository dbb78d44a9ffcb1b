"""The look of figures: one calm style, colours that colour-blind readers tell apart, text that stays text.

Figures are drawn in light colours. For a page that follows the reader's light or dark setting the colours of
the SVG become CSS variables.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any, cast

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#1b1f26"
MUTED = "#626b78"
GRID = "#dfe3e8"
ACCENT = "#0b67a3"
SECOND = "#c2541d"
PAPER = "#ffffff"
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", ACCENT: "--accent", SECOND: "--second"}
DIVERGING = "RdBu_r"
"""Colour map of values on both sides of zero."""
WIDTH = 5.0
"""Inches; at 72 units per inch one unit is about one CSS pixel on a phone."""

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.size": 10.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 10.0,
    "ytick.major.size": 0.0,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "almond",
    "legend.frameon": False,
}


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Make an empty figure of ``width`` x ``height`` inches, laid out so that nothing is cut off."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style() -> Any:
    """Give the context in which every figure is drawn and saved."""
    return rc_context(cast(Any, STYLE))


def reference_line(axes: Axes, x: float) -> None:
    """Draw a dashed line at a value of the x axis."""
    axes.axvline(x, color=MUTED, linewidth=1.0, linestyle=(0, (3, 3)), zorder=1)


def dot_with_interval(
    axes: Axes,
    y: float,
    middle: float,
    low: float | None,
    high: float | None,
    *,
    color: str = ACCENT,
    hollow: bool = False,
    size: float = 6.5,
) -> None:
    """Draw an estimate as a dot, with its interval as a line where it has one."""
    if low is not None and high is not None:
        axes.plot([low, high], [y, y], color=color, linewidth=2.0, solid_capstyle="round", zorder=2)
    face = PAPER if hollow else color
    axes.plot(
        [middle], [y], "o", markersize=size, color=color, markerfacecolor=face, markeredgewidth=1.6, zorder=3
    )


def label_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Name rows from top to bottom, with a quiet line at each."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=True, axis="y")


def new_forest(
    labels: Sequence[str], row_height: float, *, margin: float = 0.8, reference: float | None = 0.0
) -> tuple[Figure, Axes]:
    """Make a figure of named rows, ``row_height`` inches each, with a dashed line at ``reference``."""
    figure = new_figure(margin + row_height * len(labels))
    axes = figure.add_subplot()
    label_rows(axes, labels)
    if reference is not None:
        reference_line(axes, reference)
    return figure, axes


def mark_observed(axes: Axes, x: float, top: float, text: str) -> None:
    """Mark the observed value on a distribution whose bars reach up to ``top``; leave room for its name."""
    axes.plot([x] * 2, [0, top], color=ACCENT, linewidth=2.4, solid_capstyle="round")
    axes.text(x, 1.05 * top, text, color=ACCENT, ha="center", va="bottom", weight="bold")
    axes.set_yticks([])
    axes.set_ylim(0, 1.35 * top)


def remove_frame(axes: Axes) -> None:
    """Remove ticks and spines, for pictures without scales."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def svg_of(figure: Figure) -> str:
    """Write a stand-alone SVG file, the same bytes for the same figure."""
    stream = io.StringIO()
    with style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def png_of(figure: Figure) -> bytes:
    """Write a PNG of 200 dots per inch."""
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="png", dpi=200, metadata={"Software": None})
    return stream.getvalue()


def bare_svg(svg: str) -> str:
    """Leave out of a stand-alone SVG what pages have no use for: prolog, metadata, names of groups."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return re.sub(r'<g id="[^"]*"', "<g", body)


def inline_svg(svg: str, label: str) -> str:
    """Fit an SVG into a page: colours as CSS variables, the page's font and size.

    :param label: what a screen reader says; escaped here.
    """
    body = bare_svg(svg)
    for color, variable in VARIABLES.items():
        body = body.replace(color, f"var({variable})")
    body = body.replace(PAPER, "var(--paper)")
    body = re.sub(r"font: ([0-9. a-z]*?)([0-9.]+px) [^;\"]*", r"font: \1\2 system-ui, sans-serif", body)
    head, rest = body.split(">", 1)
    view = re.search(r'viewBox="[^"]*"', head)
    box = view.group(0) if view else ""
    name = escape(label, quote=True)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{name}">{rest}'
