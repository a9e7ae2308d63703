"""What a judged quantity must be by another way than the reference's own."""
