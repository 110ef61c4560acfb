"""Recommenders of somebody else: one works, the others do not."""
