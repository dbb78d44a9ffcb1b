"""Test by theme whether guided images raise the score of their own target more than that of others."""
