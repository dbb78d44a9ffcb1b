"""Rehearsals of a study: what simulated people answer, and whether exactly that was stored."""
