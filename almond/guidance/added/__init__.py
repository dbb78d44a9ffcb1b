"""Pretrained models that were added under a name: ``python -m almond models add NAME PATH|HUB-ID``."""
