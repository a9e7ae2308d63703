"""What is refused of arguments before anything is done: one check for each kind of thing."""
