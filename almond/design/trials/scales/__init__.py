"""Kinds of trials that ask for a value of one image on a scale; all write the table ``ratings``."""
