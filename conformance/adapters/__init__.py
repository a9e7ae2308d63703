"""Adapters: what the suite is given to judge, one file for each implementation."""
