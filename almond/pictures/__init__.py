"""Pictures in files: one reader for every room. Imports Pillow and numpy, and nothing of the rooms above."""
