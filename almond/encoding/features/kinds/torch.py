"""Feature kind ``torch``: any layer of any torch network that a function of one's own makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationInfo

from almond.encoding.config.features import WeightsFile
from almond.encoding.features.specs import LayerSpec, Mean, Positive, ThreePositive
from almond.shapes import Text, Whole, shown

if TYPE_CHECKING:
    from almond.encoding.features.space import DescribedSpace

OWN = "own"
"""In place of a file of weights: the ones that the factory itself puts into the network."""

_FILE: TypeAdapter[Path] = TypeAdapter(WeightsFile)


def _factory(text: str) -> str:
    module, _, factory = text.partition(":")
    if not module.strip() or not factory.strip():
        raise ValueError(f"is {shown(text)}, not package.module:factory")
    return text


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"is {value}, not one of 1, 255")
    return value


def _weights(value: Any, info: ValidationInfo) -> Any:
    return OWN if value == OWN else _FILE.validate_python(value, context=info.context)


class TorchSpec(LayerSpec):
    """A layer of the network that ``model`` makes; a pixel p becomes (range p / 255 - mean) / std * scale."""

    kind: Literal["torch"]
    model: Annotated[Text, AfterValidator(_factory)]
    """package.module:factory, a function without arguments or a class"""
    weights: Annotated[Any, PlainValidator(_weights, json_schema_input_type=str)] = Field(
        description=f"give a file of weights, or {OWN} for those that the factory puts in"
    )
    layer: Text
    """name of the layer, as named_modules gives it"""
    resize: Annotated[Whole, Field(ge=1)]
    """side in pixels that the network takes"""
    filter: Literal["bicubic", "bilinear"] = "bicubic"
    """of resizing; both antialiased"""
    range: Annotated[Literal[1, 255], BeforeValidator(_no_flag)] = 1
    """the value of white before mean and scale"""
    mean: Mean = None
    """subtracted: three numbers or a file, in units of range"""
    std: ThreePositive | None = None
    """divided by: three numbers above 0"""
    scale: Positive = 1.0
    """multiplied after that"""

    def open_space(self, *, device: str = "cpu") -> DescribedSpace:
        """Open the network. The factory is the user's own code."""
        from almond.encoding.features.networks.image_preprocessing import Preprocessing, read_mean
        from almond.encoding.features.networks.state_dicts import load_strictly, read_state_dict
        from almond.encoding.features.networks.torch_layer import TorchSpace, build, hooked, layer_of

        network = build(self.model)
        if self.weights != OWN:
            load_strictly(network, read_state_dict(self.weights), str(self.weights))
        preprocessing = Preprocessing(
            self.resize, self.filter, float(self.range), read_mean(self.mean), self.std, self.scale
        )
        module = layer_of(network, self.layer, self.model)
        return TorchSpace(
            f"{self.model.partition(':')[2]}.{self.layer}",
            network,
            hooked(network, module, f"{self.model} {self.layer}"),
            preprocessing,
            layer=self.layer,
            pool=self.pool,
            device=device,
            extra={"model": self.model},
        )
