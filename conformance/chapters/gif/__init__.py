"""GIF neurons: chapter 6, and their numbers of chapter 11."""
