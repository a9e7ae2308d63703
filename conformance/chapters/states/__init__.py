"""What a value, a state and a history are and do: chapters 1 to 5."""
