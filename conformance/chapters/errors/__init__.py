"""What an error is and says: chapter 12."""
