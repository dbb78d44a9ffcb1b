"""What a power analysis assumes of the people who will answer: how much they, themes and images differ.

Ratings are described in standard deviations (SD) of one rating: the noise of one person and one image.
Choices are described in log odds. The defaults are assumptions, of the order of those under which the
tests of an analysis are tried (``benchmarks.referee``): a lab that has data takes its own.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from almond.shapes import Flag, Number, Shape, Whole

Deviation = Annotated[Number, Field(ge=0, le=20)]
Share = Annotated[Number, Field(ge=0, le=1)]


class RatingModel(Shape):
    """How ratings come about, in SD of one rating."""

    person_sd: Deviation = Field(default=1.0, description="how far apart people's mean ratings lie")
    scale_use_sd: Deviation = Field(
        default=0.3, description="how much people differ in the part of the scale that they use, in log units"
    )
    theme_sd: Deviation = Field(
        default=0.7, description="how far apart themes lie, whatever was done to their images"
    )
    scene_sd: Deviation = Field(default=0.3, description="the same of scenes of one theme")
    image_sd: Deviation = Field(default=0.5, description="the same of images of one scene")
    person_slope_sd: Deviation = Field(
        default=0.3, description="how much people differ in what one target does to their ratings"
    )
    theme_slope_sd: Deviation = Field(
        default=0.3, description="how much themes differ in what one target does to their images"
    )
    residual_sd: Deviation = Field(default=1.0, description="the noise of one rating, the unit of the others")
    points: Annotated[Number, Field(gt=0, le=100)] = Field(
        default=12.0, description="points of the 0 to 100 scale that one SD takes; ratings stop at its ends"
    )


class ChoiceModel(Shape):
    """How choices between two images come about, in log odds."""

    log_odds_per_sd: Deviation = Field(
        default=2.4, description="log odds of the intended choice for an effect of one SD on ratings"
    )
    person_sd: Deviation = Field(
        default=0.6, description="how much people differ in following the manipulation"
    )
    theme_sd: Deviation = Field(default=0.6, description="how much themes differ in it")
    scene_sd: Deviation = Field(default=0.3, description="how much scenes of one theme differ in it")
    person_slope_sd: Deviation = Field(
        default=0.3, description="how much people differ in it from target to target"
    )
    theme_slope_sd: Deviation = Field(
        default=0.3, description="how much themes differ in it from target to target"
    )


class PredictorModel(Shape):
    """What ratings of natural images are correlated with."""

    count: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=4, description="predicted responses that are tested; the effect is that of the first"
    )
    theme_share: Share = Field(default=0.8, description="part of their variance that lies between themes")


class TimeModel(Shape):
    """How long answers and visits take."""

    spread: Deviation = Field(
        default=0.4, description="standard deviation of log response times of one person's trials"
    )
    person_sd: Deviation = Field(
        default=0.0, description="how much people differ in their pace, in log units"
    )
    careless_share: Annotated[Number, Field(gt=0, le=10)] = Field(
        default=0.35, description="time of a trial of people who do not look, as a share of the others'"
    )
    between_trials: Annotated[Number, Field(ge=0, le=600)] = Field(
        default=1.0, description="seconds from an answer to the next trial; visits last as long as both"
    )


class RaterModel(Shape):
    """The people and images of a power analysis."""

    ratings: RatingModel = Field(default_factory=RatingModel, description="how ratings come about")
    choices: ChoiceModel = Field(default_factory=ChoiceModel, description="how choices come about")
    predictors: PredictorModel = Field(
        default_factory=PredictorModel,
        description="of natural images: what their ratings are correlated with",
    )
    times: TimeModel = Field(default_factory=TimeModel, description="how long answers and visits take")
    careless: Share = Field(default=0.05, description="share of people who answer without looking")
    drop_out: Annotated[Number, Field(ge=0, le=0.9)] = Field(
        default=0.1, description="share of people who stop somewhere on the way; only the others are analysed"
    )
    replaced: Flag = Field(
        default=True,
        description="whether their places are taken by others until the planned number has finished",
    )
