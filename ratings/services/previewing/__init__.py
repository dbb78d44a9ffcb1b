"""Visits that are tried out: by a link, with the checks of participants, storing nothing."""
