"""The generation pages: recipes, contact sheets, stimuli, matched sets, image sets."""

from generation.admin.batches import BatchAdmin
from generation.admin.diagnoses import DiagnosisAdmin
from generation.admin.image_sets import ImageSetAdmin
from generation.admin.matched_sets import MatchedSetAdmin
from generation.admin.recipes import RecipeAdmin
from generation.admin.stimuli import StepViewAdmin, StimulusAdmin
from generation.admin.trajectories import TrajectorySetAdmin

__all__ = [
    "BatchAdmin",
    "DiagnosisAdmin",
    "ImageSetAdmin",
    "MatchedSetAdmin",
    "RecipeAdmin",
    "StepViewAdmin",
    "StimulusAdmin",
    "TrajectorySetAdmin",
]
