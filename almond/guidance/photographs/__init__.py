"""Photographs on learned models: what is started from, what may change, what an added network follows."""
