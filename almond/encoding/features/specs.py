"""What the specifications of feature kinds have in common: how predictors are made, and a network's keys.

Light: a kind's ``open_...`` methods are factories, which alone import what is heavy.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationInfo

from almond.encoding.config.features import EVERY, FeatureSpec, FilmFile, MeanFile, WeightsFile
from almond.shapes import Number, Text, Whole, shown

if TYPE_CHECKING:
    from almond.encoding.features.run_features import Predictors, Presentation
    from almond.encoding.features.space import DescribedSpace


Pool = Literal["flatten", "mean", "first"]


def _three(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise ValueError(f"is {shown(value)}, not three numbers (red, green, blue)")
    return tuple(value)


Positive = Annotated[Number, Field(gt=0)]
ThreeNumbers = Annotated[tuple[Number, Number, Number], BeforeValidator(_three)]
ThreePositive = Annotated[tuple[Positive, Positive, Positive], BeforeValidator(_three)]

_FILE: TypeAdapter[Any] = TypeAdapter(MeanFile)
_NUMBERS: TypeAdapter[Any] = TypeAdapter(ThreeNumbers)


def _mean(value: Any, info: ValidationInfo) -> Any:
    reader = _NUMBERS if isinstance(value, list | tuple) else _FILE
    return reader.validate_python(value, context=info.context)


Mean = Annotated[Any, PlainValidator(_mean, json_schema_input_type=tuple[float, float, float] | str)]
"""Three numbers, or the path of a file with a mean image."""


class PredictorSpec(FeatureSpec):
    """A kind of feature that can say what predictors it gives for runs; the base of every registered one."""

    @abstractmethod
    def open_predictors(self, presentation: Presentation) -> Predictors:
        """Make the features of the runs of one subject.

        :raises InputError: events, stimuli or rows are missing or do not fit the runs.
        """


class NetworkSpec(PredictorSpec):
    """A network's numbers of the images that the events name in ``stim_file``, or of a film's frames."""

    is_network: ClassVar[bool] = True

    video: FilmFile | None = None
    """a film that the runs show as one, instead of images"""
    every: Annotated[Whole, Field(ge=1)] = EVERY
    """every how many frames of the film"""

    @abstractmethod
    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        """Load the network with its weights, checked.

        :param device: where the network computes, such as ``cuda``.
        :raises InputError: weights, layer or library are missing or do not fit.
        """

    def open_predictors(self, presentation: Presentation) -> Predictors:
        from almond.encoding.features.film_predictors import predictors_of_film
        from almond.encoding.features.image_predictors import predictors_of_images

        if self.video is not None:
            return predictors_of_film(self, self.video, presentation)
        return predictors_of_images(self, presentation)

    def contradictions(self) -> Iterable[tuple[str, str]]:
        if self.video is None and "every" in self.model_fields_set:
            yield "every", "has no meaning without video"
        if self.video is not None and self.interval is not None:
            yield "interval", "has no meaning with video, whose frames carry their times"


class LayerSpec(NetworkSpec):
    """A layer of a network, by the name that ``named_modules`` gives it."""

    layer: Text = ""
    """name of the layer; the last one where none is named"""
    pool: Pool = "flatten"
    """flatten, the mean over positions or tokens, or the first token of a layer"""


class PublishedSpec(LayerSpec):
    """A network that a library knows by name, with published weights or a file of them."""

    model: Text
    """the network's name in its library"""
    pretrained: Text = ""
    """the tag of published weights"""
    weights: WeightsFile | None = None
    """a file of weights, instead of a tag"""

    def contradictions(self) -> Iterable[tuple[str, str]]:
        yield from super().contradictions()
        if self.weights is None and not self.pretrained:
            yield "weights", "is missing; give a file, or the tag of weights as pretrained"
        if self.weights is not None and self.pretrained:
            yield "weights", "is given together with pretrained; give one of them"
