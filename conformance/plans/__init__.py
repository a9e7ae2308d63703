"""What a problem is: factors, plans that cover them, and what is drawn of a plan."""
