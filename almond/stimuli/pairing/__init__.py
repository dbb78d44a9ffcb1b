"""Pairs by two yardsticks: the programme, what binds it, what would help, and pools drawn until it holds."""
