"""Source data: cards, format readers, k-core filtering and the prepared cache."""

from bench.data.domain import Domain, normalise_title

__all__ = ["Domain", "normalise_title"]
