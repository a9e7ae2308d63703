"""Morphologies and passive cables: chapters 7 and 8, and their numbers of chapter 11."""
