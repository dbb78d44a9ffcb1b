"""Families of encoders, which learn from several subjects at once: the shared space and the flow model."""
