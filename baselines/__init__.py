"""Baselines, one recommender per module; packages contain code that several of them share.

The ``@register`` decorators are read from the modules' text (:mod:`bench.registry`), so listing the methods imports
none of them.
"""
