"""A picture over its steps in a real browser: slider and map by keyboard, numbers and curve follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from almond.attribution.viewer import overlay_png
from almond.files.writing import write_atomically
from almond.stimuli.images import png_bytes
from generation import services
from generation.step_views import StepView
from tests.browser.conftest import log_in
from tests.site.generation_rows import full_batch, picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STEPS = 5


def finished_view() -> StepView:
    """Five steps whose scores are their numbers, with pictures and maps on the disk."""
    stimulus = full_batch(seeds=[1]).stimuli.get(intended_target="LB", direction=1, strength=1.0)
    row = StepView.objects.create(stimulus=stimulus, target="LB")
    steps = []
    for step in range(1, STEPS + 1):
        write_atomically(row.path / f"picture-{step:03d}.png", png_bytes(picture(step)))
        values = np.linspace(-1, 1, 256).reshape(16, 16)
        write_atomically(row.path / f"overlay-{step:03d}.png", overlay_png(values, 1.0))
        steps.append(
            {
                "step": step,
                "alpha_bar": step / 10,
                "strength": 0.12 if step in (2, 3) else 0.0,
                "scores": {"LB": float(step), "LB_judge": -float(step)},
            }
        )
    result = {"same": True, "agreement_shuffled": 0.1, "steps": steps}
    return services.finish_step_view(step_view=row, result=result, by=None)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_slider_walks_through_the_steps_by_keyboard(
    visit: Any, width: int, tmp_path: Path, settings: Any
) -> None:
    settings.ALMOND_HOME = tmp_path / "home"
    row = finished_view()
    here = visit(width, 1000)
    log_in(here)
    page = here.page
    page.goto(here.address + reverse("admin:generation_stepview_change", args=[row.pk]))
    mark = page.locator(".al-step-mark")
    last = float(mark.get_attribute("x1"))
    assert page.inner_text("#step-number") == "5"
    page.focus("#step-slider")
    for key, step in (("ArrowLeft", "4"), ("Home", "1"), ("ArrowRight", "2")):
        page.keyboard.press(key)
        assert page.inner_text("#step-number") == step
    assert page.get_attribute("#step-picture", "src").endswith("picture-002.png")
    assert page.get_attribute("#step-slider", "aria-valuetext") == (
        "step 2 of 5, alpha-bar 0.200, guided at 0.12"
    )
    assert page.inner_text("#step-scores").split() == ["LB", "2.00", "LB,", "judge", "\N{MINUS SIGN}2.00"]
    assert float(mark.get_attribute("x1")) < last
    page.wait_for_function("document.querySelector('#step-picture').naturalWidth === 16")
    assert not page.is_visible("#step-map")
    page.keyboard.press("m")
    assert page.is_visible("#step-map")
    assert page.is_checked("#step-toggle")
    boxes = [page.locator(name).bounding_box() for name in ("#step-map", "#step-picture")]
    assert boxes[0] == pytest.approx(boxes[1], abs=1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    here.shot(f"step-view-{width}", whole=True)
    page.keyboard.press("m")
    assert not page.is_visible("#step-map")
    page.keyboard.press("End")
    assert float(mark.get_attribute("x1")) == last
    page.click("text=All steps side by side")
    assert page.locator(".al-gallery img").count() == STEPS
    assert here.complaints == []
