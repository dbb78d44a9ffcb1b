"""Axes of score space: found in unguided pictures, pushed along both ways, each side calibrated."""
