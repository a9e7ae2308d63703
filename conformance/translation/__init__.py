"""What crosses the protocol, as the reference has it, and back."""
