"""RecCocktail, WeaveRec, X-Cross and the methods they are compared with, one recommender per module.

As in :mod:`bench.baselines`, the ``@register`` decorators are read from the modules' text, without importing them.
"""
