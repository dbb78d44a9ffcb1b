"""Two families of encoders that learn from several subjects at once."""
