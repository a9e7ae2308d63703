"""How problems are drawn: factors and their levels, plans that cover them, and their numbers."""
