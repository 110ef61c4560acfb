"""What every recommender must keep to, checked on generated toy data: :func:`check_method`, or ``bench check``.

``checks`` lists the requirements, ``subject`` is the method under test, fitted once for all of them. ``toys`` and
``worlds`` generate data with a planted rule, or with none.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.contract.checks import CHECKS
    from bench.contract.examine import Outcome, check_method
    from bench.contract.subject import Subject
    from bench.contract.worlds import World, planted_world
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["CHECKS", "Outcome", "Subject", "World", "check_method", "planted_world"]
