"""Analyse the geometry of ratings and predicted responses: components, canonical pairs, dissimilarities."""
