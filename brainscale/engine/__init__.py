"""From one step of a model to what a rule is given, and back to gradients; nothing is public."""
