"""What every recommender must keep to, checked on toy data made on the spot: see :func:`bench.contract.examine`."""

from bench.contract.examine import Outcome, examine

__all__ = ["Outcome", "examine"]
