"""Tests, one file a part of a chapter of SPEC.md; a folder for those that belong together."""
