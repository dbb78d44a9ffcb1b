"""Trials of each kind as tests need them, made from the tables of an export."""
