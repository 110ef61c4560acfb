"""Experiments: which runs make up a table or figure, and at which scale they are run."""
