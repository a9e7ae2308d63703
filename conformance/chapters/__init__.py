"""Tests, one file a part of a chapter of SPEC.md."""
