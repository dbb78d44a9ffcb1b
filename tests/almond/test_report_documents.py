"""Documents as pages: escaped, typeset, without figures that were not drawn; folders that appear whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from almond.errors import InputError
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.figures_style import new_figure
from almond.report.render import render_body, render_html, render_markdown, typeset
from almond.report.slices import VoxelRow, slice_figure
from almond.report.wording import coefficient, coefficient_span, decimal, p_cell, r_of_z, span, t_cell
from almond.report.write import check_report_folder, report_folder, write_pages

EVIL = '<script>alert("1 & 2")</script>'


def document(text: str = EVIL) -> Document:
    table = Table((text, "n"), ((text, "1|2"),), folded=text)
    section = Section(text, (text,), (Picture("drawn", text), Picture("absent", text)), (text,), (table,))
    return Document(text, "exploratory", text, (text,), text, (KeyNumber(text, text, text),), (section,))


def figures() -> dict[str, Figure]:
    figure = new_figure(1.0)
    figure.add_subplot().set_title("a < b")
    return {"drawn": figure}


def test_every_text_is_escaped(tmp_path: Path) -> None:
    write_pages(tmp_path, document(), figures(), {})
    for name in ("report.html", "body.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "<script" not in text
        assert text.count("&lt;script&gt;") >= 10
        assert "a &lt; b" in text


def test_the_body_is_what_the_page_shows() -> None:
    page, body = render_html(document().with_figures(()), {}), render_body(document().with_figures(()), {})
    assert body.strip() in page
    assert not any(tag in body for tag in ("<main", "<style", "<html", "<body"))


def test_figures_that_were_not_drawn_are_left_out(tmp_path: Path) -> None:
    write_pages(tmp_path, document("words"), figures(), {})
    assert (tmp_path / "report.html").read_text().count("<figure") == 1
    assert "figures/absent.svg" not in (tmp_path / "report.md").read_text()
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["drawn.png", "drawn.svg"]


def test_markdown_keeps_the_order_and_its_tables() -> None:
    text = render_markdown(document("words").with_figures(()))
    assert text.startswith("# words\n\n**words**\n\nwords\n\nwords\n\n## words\n")
    assert "- words\n\nwords:\n\n| words | n |\n| --- | ---: |\n| words | 1\\|2 |\n" in text


def test_numbers_are_typeset() -> None:
    assert typeset("r = -.2, 5 %, co-2 x") == "r\u00a0=\u00a0\u2212.2, 5\u00a0%, co-2 x"


def test_numbers_in_print() -> None:
    assert (p_cell(None), p_cell(None, absent="")) == ("not defined", "")
    assert (decimal(None), decimal(0.12345, 2)) == ("", "0.12")
    assert (span(-0.1, 0.2), span(0.1, 0.2, 3, sign="")) == ("-0.10 to +0.20", "0.100 to 0.200")
    assert (coefficient(0.5), coefficient(-0.0123), coefficient(0)) == ("+0.50", "-0.012", "0.00")
    assert coefficient_span(-0.0123, 0.5) == "-0.012 to 0.50"
    assert (t_cell(2.345, 11.0), t_cell(None, 3.0)) == ("2.35 (11)", "not defined")
    assert r_of_z(float(np.arctanh(0.3))) == "0.300"


def test_a_report_takes_the_place_of_an_earlier_one_only(tmp_path: Path) -> None:
    out = tmp_path / "report"
    for _ in range(2):
        with report_folder(out, "almond-analysis") as folder:
            (folder / "result.json").write_text(json.dumps({"format": "almond-analysis/1"}))
    (out / "old.txt").write_text("left over")
    with report_folder(out, "almond-analysis") as folder:
        write_pages(folder, document("words"), figures(), {"format": "almond-analysis/1"})
    assert not (out / "old.txt").exists()
    for kind in ("almond-validation", "almond-eval"):
        with pytest.raises(InputError, match="holds something else"):
            check_report_folder(out, kind)


def test_a_report_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    out = tmp_path / "report"
    with report_folder(out, "almond-analysis") as folder:
        (folder / "result.json").write_text(json.dumps({"format": "almond-analysis/1"}))
    with pytest.raises(ZeroDivisionError), report_folder(out, "almond-analysis"):
        _ = 1 / 0
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert (out / "result.json").is_file()


def test_other_folders_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("folder", "file"):
        with pytest.raises(InputError, match="holds something else"):
            check_report_folder(tmp_path / name, "almond-analysis")
    check_report_folder(tmp_path / "new", "almond-analysis")


def test_slices_are_named_in_millimetres_once_per_set_of_voxels() -> None:
    voxels = np.stack(np.meshgrid([3, 4], [5], range(9), indexing="ij"), axis=-1).reshape(-1, 3)
    affine = np.diag([2.0, 2.0, -3.0, 1.0])
    rows = [VoxelRow(name, voxels, np.linspace(-1, 1, len(voxels)), affine) for name in ("first", "second")]
    panels = slice_figure(rows, 1.0).axes[:12]
    assert rows[0].heights() == [0, 2, 3, 5, 6, 8]
    assert [panel.get_title() or panel.get_title(loc="left") for panel in panels[:3]] == [
        "z = 0",
        "z = −6",
        "z = −9",
    ]
    assert not any(panel.get_title(loc="left") for panel in panels[6:])
    assert panels[6].get_ylabel() == "second"
