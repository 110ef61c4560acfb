"""Baselines: one recommender for each module, readable from top to bottom; packages hold what some of them share.

The modules are read as text for their ``@register`` decorators (:mod:`bench.registry`), so listing the methods imports
none of them.
"""
