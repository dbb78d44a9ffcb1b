"""Validation of fitted encoders on images with published norms of valence and arousal."""
