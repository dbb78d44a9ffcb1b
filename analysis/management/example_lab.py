"""The example lab: simulated brains, guided images, a study to take part in, and one already answered.

Every step goes through the services and jobs that an experimenter uses, is found again when it was done
before, and leaves rows like any other. Runs in the process of a command, never in the web process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from accounts.models import User
from almond.chain.settings import DemoSettings
from almond.errors import AlmondError
from almond.progress import Part, Progress
from almond.world import lab
from almond.world.brains import simulate_dataset
from analysis.models import AnalysisRun, Export
from analysis.services import request_analysis, request_export
from encoder.models import Dataset, Encoder, EncoderVersion, Target
from encoder.services import (
    add_region,
    create_dataset,
    create_encoder,
    create_feature_space,
    make_target,
    start_fit,
)
from generation.models import Batch, MatchedSet, Recipe
from generation.services import create_recipe, freeze_matched_set, start_batch, start_matching
from jobs.models import Job, State
from jobs.services import retry, run_now
from ratings.services import start_simulation
from studies.models import Construct, Study
from studies.services import (
    BlockSpec,
    close,
    create_construct,
    create_study,
    delete_draft,
    freeze,
    open_study,
)

NAME = "Example"
OPEN_SLUG = "example"
ANSWERED_SLUG = "example-answered"

UNSCREENED = "The example is built without anybody who could look; its pictures are simulated scenes."
UNREHEARSED_EXAMPLE = "The example is there to be tried; simulated people answered a study like it."
POOL_MISSES = (
    "With these brains the example's pool does not reach the tolerance. It shows how a study is made, and "
    "nothing is concluded from it."
)
READ_OTHERWISE = (
    "What the choice of pairs can bound keeps both yardsticks; the page of the set says what judges read "
    "otherwise. The example shows how a study is made, and nothing is concluded from it."
)


@dataclass
class ExampleLab:
    """Builds the example step by step; ``sizes`` as in the demonstration of the command line."""

    by: User
    sizes: DemoSettings
    progress: Progress

    def build(self) -> None:
        """Whatever is missing of the example; a second call does nothing."""
        steps: list[tuple[float, Callable[[Progress], None]]] = [
            (0.05, self.dataset),
            (0.2, self.encoders),
            (0.3, self.targets),
            (0.75, self.images),
            (0.78, self.matched_set),
            (0.8, self.studies),
            (0.9, self.answers),
            (1.0, self.report),
        ]
        start = 0.0
        for stop, step in steps:
            step(Part(self.progress, start, stop))
            start = stop
        self.progress.report(1.0, "the example lab is ready")

    def dataset(self, part: Progress) -> None:
        if Dataset.objects.filter(name=NAME).exists():
            return
        root = Path(settings.ALMOND_HOME) / "datasets" / "example"
        if not root.exists():
            simulate_dataset(
                root,
                n_subjects=self.sizes.subjects,
                n_runs=self.sizes.runs,
                n_volumes=self.sizes.volumes,
                tr=self.sizes.tr,
                seed=self.sizes.stream("brains"),
                progress=part,
            )
        dataset = create_dataset(
            name=NAME,
            root=root,
            by=self.by,
            kind=Dataset.Kind.SIMULATED,
            description="Simulated brains that saw drawn scenes. What each region responds to is known.",
        )
        for region in lab.REGIONS:
            mask = root / "derivatives" / "regions" / f"{region}.nii.gz"
            add_region(dataset=dataset, name=region, mask_path=mask, by=self.by)

    def encoders(self, part: Progress) -> None:
        dataset = Dataset.objects.get(name=NAME)
        encoder = Encoder.objects.filter(name=NAME).first() or create_encoder(
            name=NAME,
            dataset=dataset,
            feature_space=create_feature_space(name="Drawn scenes, fc7", by=self.by),
            regions=dataset.regions.all(),
            by=self.by,
        )
        done = set(EncoderVersion.objects.filter(encoder=encoder).values_list("subject", flat=True))
        missing = [subject for subject in encoder.subjects if subject not in done]
        self.run_all(start_fit(encoder=encoder, by=self.by, subjects=missing) if missing else [], part)

    def targets(self, part: Progress) -> None:
        encoder = Encoder.objects.get(name=NAME)
        half = len(encoder.subjects) // 2
        roles = {Target.Role.GUIDE: encoder.subjects[:half], Target.Role.JUDGE: encoder.subjects[half:]}
        jobs = []
        for role, subjects in roles.items():
            for name in lab.TARGETS:
                if not Target.objects.filter(encoder=encoder, name=name, role=role).exists():
                    made = make_target(name=name, encoder=encoder, by=self.by, role=role, subjects=subjects)
                    jobs.append(made.job)
        self.run_all([job for job in jobs if job is not None], part)

    def images(self, part: Progress) -> None:
        if Batch.objects.filter(name=NAME, job__state=State.DONE).exists():
            return
        guides = Target.objects.filter(encoder__name=NAME, role=Target.Role.GUIDE)
        recipes = [
            Recipe.objects.filter(name=prompt.capitalize()).first()
            or create_recipe(
                name=prompt.capitalize(),
                prompt=prompt,
                seeds=[
                    self.sizes.stream("scene", prompt, n) % 100_000
                    for n in range(self.sizes.seeds_per_prompt)
                ],
                targets=guides,
                by=self.by,
                generator=self.sizes.generator,
                strengths=self.sizes.strengths or None,
            )
            for prompt in self.sizes.prompts
        ]
        batch = Batch.objects.filter(name=NAME).first() or start_batch(recipes=recipes, by=self.by, name=NAME)
        self.run(batch.job, part)

    def matched_set(self, part: Progress) -> None:
        matched = MatchedSet.objects.filter(name=NAME).first() or start_matching(
            name=NAME,
            batches=Batch.objects.filter(name=NAME),
            by=self.by,
            scored_by=Target.Role.GUIDE,
            scenes=self.sizes.scenes_kept,
        )
        self.run(matched.job, part)
        matched.refresh_from_db()
        if not matched.is_frozen:
            freeze_matched_set(matched_set=matched, by=self.by, unscreened_reason=UNSCREENED)

    def studies(self, part: Progress) -> None:
        self.study(OPEN_SLUG, "How do these scenes strike you?", ratings=8, choices=8)
        self.study(
            ANSWERED_SLUG,
            "Example, answered by simulated people",
            ratings=self.sizes.rating_trials,
            choices=self.sizes.choice_trials,
            rehearsal=True,
        )

    def study(self, slug: str, title: str, *, ratings: int, choices: int, rehearsal: bool = False) -> None:
        """A study over the matched set, frozen and open; a draft left by a stopped build is made anew."""
        for draft in Study.objects.filter(slug=slug, state=Study.State.DRAFT):
            delete_draft(study=draft, by=self.by)
        study = Study.objects.filter(slug=slug).first()
        if study is None:
            asked = self.constructs()
            matched = MatchedSet.objects.get(name=NAME)
            study = create_study(
                title=title,
                slug=slug,
                by=self.by,
                matched_set=matched,
                blocks=[
                    BlockSpec("rating", "ratings", asked, ratings),
                    BlockSpec("choice", "choices", asked, choices, asked_of="own"),
                ],
                seed=self.sizes.seed,
                participants_planned=self.sizes.participants,
                n_lists=self.sizes.lists,
                permutations=self.sizes.permutations,
                rehearsal=rehearsal,
                unmatched_reason=self.unmatched_reason(matched),
            )
            study = freeze(study=study, by=self.by)
        if study.state == Study.State.FROZEN:
            open_study(study=study, by=self.by, reason=UNREHEARSED_EXAMPLE)

    def unmatched_reason(self, matched: MatchedSet) -> str:
        """Why the study uses a set that misses a yardstick; empty where it misses none."""
        if matched.matched:
            return ""
        reached = [matched.reached.get(name) for name in lab.TARGETS]
        kept = all(value is not None and value <= matched.tolerance for value in reached)
        return READ_OTHERWISE if kept else POOL_MISSES

    def constructs(self) -> list[Construct]:
        target_of = {name: target for target, name in lab.CONSTRUCT_OF_TARGET.items()}
        return [
            Construct.objects.filter(name=text.name).first()
            or create_construct(
                name=text.name,
                question=text.question,
                low=text.low,
                high=text.high,
                choice=text.choice,
                target=target_of[text.name],
                by=self.by,
            )
            for text in lab.CONSTRUCTS
        ]

    def answers(self, part: Progress) -> None:
        study = Study.objects.get(slug=ANSWERED_SLUG)
        if study.state == Study.State.CLOSED:
            return
        missing = self.sizes.participants - study.participants.filter(kind="robot").count()
        if missing > 0:
            seed = self.sizes.stream("raters")
            self.run(start_simulation(study=study, participants=missing, seed=seed, by=self.by), part)
        close(study=study, by=self.by)

    def report(self, part: Progress) -> None:
        study = Study.objects.get(slug=ANSWERED_SLUG)
        if AnalysisRun.objects.filter(export__study=study).exists():
            return
        export = Export.objects.filter(study=study).first() or request_export(study=study, by=self.by)
        self.run(export.job, Part(part, 0.0, 0.2))
        export.refresh_from_db()
        run = request_analysis(export=export, by=self.by)
        self.run(run.job, Part(part, 0.2, 1.0))

    def run_all(self, jobs: list[Job], part: Progress) -> None:
        for number, job in enumerate(jobs):
            self.run(job, Part(part, number / len(jobs), (number + 1) / len(jobs)))

    def run(self, job: Job | None, part: Progress) -> None:
        """Run a job here, also one that failed before; stop the building with its words when it fails."""
        if job is None:
            return
        job.refresh_from_db()
        if job.state in {State.FAILED, State.CANCELLED}:
            job = retry(job=job, by=self.by)
        ended = run_now(job, also=part)
        if ended.state != State.DONE:
            raise AlmondError(f"the example lab stopped at {ended.kind}: {ended.error or ended.state}")
