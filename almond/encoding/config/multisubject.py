"""The sections ``shared`` and ``flow`` of a configuration. Light: no numbers are read here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from almond.encoding.config.section import (
    ConfigSection,
    Count,
    CountOrZero,
    NotNegative,
    OneOrMany,
    Positive,
)
from almond.shapes import OneOf, Text, Whole

SPACES = ("features", "film")
PRIORS = ("learned", "even")
EVALUATIONS = ("block", "folds")


class SharedSettings(ConfigSection):
    """``shared``: one space of ``dimensions`` time courses for all subjects, and a ridge map to each."""

    dimensions: Count = 16
    """time courses that subjects share"""
    new_subjects: tuple[Text, ...] = ()
    """subjects who take no part in the space; none unless given"""
    volumes: Annotated[Whole, Field(ge=20)] | None = None
    """how many of a new subject's volumes its map may use; all unless given"""
    penalties: OneOrMany[Positive] | None = None
    """of the maps and of the space, in units of the mean eigenvalue of X'X; those of the configuration unless
    given"""
    space: Annotated[str, OneOf(SPACES)] = "features"
    """found in what the training subjects' features predict, whatever they saw, or in what their voxels
    share, for subjects who saw the same film volume by volume"""
    prior: Annotated[str, OneOf(PRIORS)] = "learned"
    """`learned`: dimensions that mattered to the others are shrunk less; `even`: all alike"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse a limit for new subjects where there are none."""
        if self.volumes is not None and "new_subjects" not in self.model_fields_set:
            yield "volumes", "limits the data of new subjects, but new_subjects names none"


class FlowSettings(ConfigSection):
    """``flow``: a linear convolutional anchor for all subjects, refined into samples by flow matching."""

    epochs: Count = 300
    """most passes of the anchor"""
    flow_epochs: Count = 200
    """most passes of the second stage"""
    patience: Count = 30
    """epochs without gain on the inner block after which either stage stops"""
    width: Count = 32
    """the anchor's shared time courses"""
    hidden: Count = 16
    """width of the network of velocities"""
    kernel: Positive = 20.0
    """seconds of the convolution's window: the features that a volume sees"""
    lead: NotNegative = 0.0
    """seconds of these after the volume (for `hrf: spm`)"""
    lr: Positive = 3e-3
    """learning rate of the anchor"""
    flow_lr: Positive = 1e-3
    """learning rate of the second stage"""
    decay: NotNegative = 0.1
    """weight decay of the anchor in units of the mean squared error"""
    batch: Count = 256
    """volumes per step"""
    samples: Annotated[Whole, Field(ge=2)] = 32
    """drawn per volume behind `predict`, in pairs of opposite noise"""
    steps: Count = 25
    """Euler steps of a sample"""
    evaluate: Annotated[str, OneOf(EVALUATIONS)] = "block"
    """`block`: hold out the last of the `folds` blocks and keep the model that never saw it; `folds`: train
    once per block and once more on everything"""
    seed: CountOrZero = 0
    """of the training: the same seed gives the same bytes"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse a lead that is longer than the kernel."""
        if self.lead > self.kernel:
            yield "lead", f"is {self.lead:g} s, longer than the kernel ({self.kernel:g} s)"
