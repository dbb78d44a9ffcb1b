"""Low-level features of the images beside what participants answered."""
