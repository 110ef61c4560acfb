"""Source data: cards, format readers, k-core filtering and the prepared cache."""

from bench.data.domain import Domain, normalise_title
from bench.data.prepare import load_domain

__all__ = ["Domain", "load_domain", "normalise_title"]
