"""Kinds that are served in tests only: each file is what a kind's author would write."""
