"""Opening feature spaces: networks load only when one is asked for."""

from __future__ import annotations

from almond.encoding.config.features import FeatureSpec, network_kinds
from almond.encoding.features.space import DescribedSpace
from almond.encoding.features.specs import NetworkSpec
from almond.errors import InputError


def open_space(spec: FeatureSpec, *, device: str = "cpu") -> DescribedSpace:
    """Open the feature space of a specification, with its weights loaded and checked.

    :param device: where the network computes, such as ``cuda``; the world's network stays on the CPU.
    :raises InputError: the kind has no network, or its weights, layer or library are missing or do not fit.
    :raises DigestMismatch: stored weights are not those that were pinned on first use.
    """
    if isinstance(spec, NetworkSpec):
        return spec.open_space(device=device)
    raise InputError("features.kind", f"{spec.kind} has no network", ", ".join(network_kinds()))
