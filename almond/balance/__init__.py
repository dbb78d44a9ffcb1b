"""Is a matched set matched: equivalence tests, a classifier on what should tell nothing, the alternative."""
