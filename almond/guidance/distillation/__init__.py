"""Guidance distilled into low-rank adapters: a slider with a dial per target, at the cost of no guidance."""
