"""What exports read from the tables of responses."""
