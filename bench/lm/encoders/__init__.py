"""Encoders that turn item titles and histories into vectors."""
