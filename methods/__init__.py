"""RecCocktail, WeaveRec, X-Cross and the merging rivals they are compared with."""
