"""Pages that are no participant's and no experimenter's alone."""
