"""A recommender whose package was not installed with what it needs."""

import magic_wand_that_nobody_has  # noqa: F401
