"""Almond: from fMRI encoding models to guided, matched images and preregistered judgements.

A pure science library: it knows no website, reads no clock, and draws random numbers only from
generators that are passed in. Light to import: torch, diffusers and nibabel load with the modules that
need them.
"""

__version__ = "0.1.0"
