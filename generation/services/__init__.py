"""Every change to recipes, stimuli and matched sets: audited, atomic, long work handed to jobs."""

from generation.services.batches import import_batch, keep_generated, keep_imported, resume_batch, start_batch
from generation.services.comparing import keep_comparison, start_comparison
from generation.services.diagnoses import (
    finish_diagnosis,
    prune_pictures,
    resume_diagnosis,
    start_diagnosis,
)
from generation.services.files import keep_bytes, keep_upload
from generation.services.growing import add_round, own_batch, round_size
from generation.services.image_sets import import_image_set, keep_images, make_pool, retry_import
from generation.services.matching import (
    freeze_matched_set,
    keep_measures,
    keep_pairs,
    rematch,
    start_matching,
)
from generation.services.recipes import create_recipe
from generation.services.scoring import keep_scores, scoring_job, start_scoring
from generation.services.screening import screen_images, to_screen
from generation.services.steps import finish_step_view, prune_step_views, start_step_view
from generation.services.trajectories import finish_trajectories, resume_trajectories, start_trajectories

__all__ = [
    "add_round",
    "create_recipe",
    "finish_diagnosis",
    "finish_step_view",
    "finish_trajectories",
    "freeze_matched_set",
    "import_batch",
    "import_image_set",
    "keep_bytes",
    "keep_comparison",
    "keep_generated",
    "keep_images",
    "keep_imported",
    "keep_measures",
    "keep_pairs",
    "keep_scores",
    "keep_upload",
    "make_pool",
    "own_batch",
    "prune_pictures",
    "prune_step_views",
    "rematch",
    "resume_batch",
    "resume_diagnosis",
    "resume_trajectories",
    "retry_import",
    "round_size",
    "scoring_job",
    "screen_images",
    "start_batch",
    "start_comparison",
    "start_diagnosis",
    "start_matching",
    "start_scoring",
    "start_step_view",
    "start_trajectories",
    "to_screen",
]
