"""How lists of trials are dealt: items, sides, orders of trials and of blocks."""
