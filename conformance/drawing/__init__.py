"""How the numbers of problems, populations and cells are drawn, so that they may be judged."""
