"""Encoding models: from BOLD runs and stimulus features to weights, targets and scores."""
