"""Commands that bring in what others made, and give out what others can read."""
