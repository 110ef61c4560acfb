"""Texts from which ``bench new`` starts a user's own files; see :mod:`bench.templates.fill`."""
