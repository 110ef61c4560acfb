"""Runs: from what is asked for to the record that is stored."""
