"""How the shipped weights were made; nothing in Almond imports this at run time."""
