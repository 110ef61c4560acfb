"""RecCocktail, WeaveRec, X-Cross and the methods they are compared with; one recommender for each module.

As in :mod:`bench.baselines`, the modules are read as text for their ``@register`` decorators.
"""
