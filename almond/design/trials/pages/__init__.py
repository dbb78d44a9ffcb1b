"""Kinds of trials that show no image: pages to read, to fill in, or to pause on, and practice."""
