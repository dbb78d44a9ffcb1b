"""Designs of studies as JSON: written out, read into drafts, kept as templates."""
