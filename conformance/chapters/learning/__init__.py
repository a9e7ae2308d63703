"""Networks that learn by any rule, and what they refuse: chapters 9 and 10."""
