"""Toy data, toy models and helpers that several tests share."""
