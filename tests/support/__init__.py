"""Toy data, toy models and helpers shared by several tests."""
