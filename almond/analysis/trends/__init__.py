"""Ratings along the signed strength of the manipulation."""
