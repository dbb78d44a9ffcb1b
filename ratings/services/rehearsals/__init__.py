"""Rehearsals of studies: who is asked for, how robots come in, and what they answer."""
