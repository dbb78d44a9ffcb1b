"""Statistics over subjects of fitted encoding models: what ``python -m almond evaluate`` computes."""
