"""Kinds of trials that ask about one image without a scale: free texts, and options to choose from."""
