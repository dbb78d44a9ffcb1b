"""Recruiting and paying: end pages, single-use links, what panels say, payments and budget."""
