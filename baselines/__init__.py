"""One file per baseline, readable top to bottom."""
