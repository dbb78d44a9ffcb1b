"""What the study of photographs stands on: targets from simulated brains, an experimenter in the admin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from almond.progress import Silent
from almond.world.brains import simulate_dataset
from encoder import services
from encoder.models import Dataset, Target
from jobs.models import Job, State
from jobs.services import run_now
from tests.browser.conftest import Visit, press

REGIONS = ("LB", "AStr")


def run_waiting() -> list[Job]:
    """Run every waiting job here, as a worker would; all must end well."""
    ended = [run_now(job) for job in Job.objects.filter(state=State.QUEUED).order_by("pk")]
    assert ended
    assert [job.error for job in ended if job.state != State.DONE] == []
    return ended


def make_targets(folder: Path) -> list[Target]:
    """Targets of two regions, fitted to two simulated brains with the shipped feature network."""
    made = simulate_dataset(folder, n_subjects=2, n_runs=2, n_volumes=80, tr=1.5, seed=3, progress=Silent())
    dataset = services.create_dataset(name="brains", root=folder, kind=Dataset.Kind.SIMULATED, by=None)
    for name in REGIONS:
        services.add_region(dataset=dataset, name=name, mask_path=made.regions[name], by=None)
    encoder = services.create_encoder(
        name="brains PLS",
        dataset=dataset,
        feature_space=services.create_feature_space(name="world-fc7", by=None),
        regions=dataset.regions.all(),
        config={"components": 4, "folds": 3, "gap": 6.0},
        by=None,
    )
    services.start_fit(encoder=encoder, by=None)
    run_waiting()
    reference = {"kind": "world", "scenes": 40, "seed": 0}
    for name in REGIONS:
        services.make_target(name=name, encoder=encoder, reference=reference, by=None)
    run_waiting()
    return list(Target.objects.exclude(digest=""))


class Desk:
    """An experimenter's browser: forms of the admin are filled in, saved, and must be accepted."""

    def __init__(self, visit: Visit) -> None:
        """Pages of running jobs do not load themselves anew here: that would cross what the test opens."""
        self.visit, self.page = visit, visit.page
        self.page.add_init_script("window.alAgain = true")

    def log_in(self, name: str, password: str) -> None:
        self.page.goto(f"{self.visit.address}/admin/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("link", name="Image sets").first.wait_for()

    def open(self, address: str) -> None:
        """Open a page; it must be there."""
        answer = self.page.goto(f"{self.visit.address}{address}")
        assert answer is not None
        assert answer.status == 200, f"{address}: {answer.status}"

    def fill(self, **fields: Any) -> None:
        """Text fields of a form by their names."""
        for name, value in fields.items():
            self.page.locator(f"#id_{name}").fill(str(value))

    def choose(self, **fields: str) -> None:
        """Drop-down fields of a form by their names and the words of the choice."""
        for name, label in fields.items():
            self.page.locator(f"#id_{name}").select_option(label=label)

    def save(self) -> None:
        """Save a form; the page says that it did."""
        self.page.locator("button[name=_save], input[name=_save]").first.click()
        self.page.get_by_text("was added successfully").wait_for()

    def press(self, name: str, *, exact: bool = False) -> None:
        """A button of a row's page, by its words; the page comes back."""
        with self.page.expect_navigation():
            press(self.page, name, exact=exact)
