"""The evaluation protocol: training and test interactions, evaluated users, and their candidates.

``splits`` and ``user_split`` divide a domain into training, validation and test parts. ``candidates`` draws the 29
negatives of each query once, ``candidate_files`` stores them and ``export`` writes them as CSV. ``task`` combines
these: :func:`prepare_task` returns everything that a run needs. ``sources`` prevents a source from training on items
that are cold in the target, and counts what both have in common. ``full_ranking`` ranks the whole catalogue instead,
``popular_negatives`` draws negatives by popularity.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.protocol.candidates import CandidateLists, TitleGroups, draw_candidates
    from bench.protocol.export import export_lists
    from bench.protocol.full_ranking import CatalogueRanks, catalogue_hash, rank_in_catalogue
    from bench.protocol.sources import Overlap, overlap
    from bench.protocol.splits import Split, share_of_training, source_training, split_domain, users_of_training
    from bench.protocol.task import PreparedTask, QuerySet, prepare_task
    from bench.protocol.user_split import UserParts, user_parts
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "CandidateLists",
    "CatalogueRanks",
    "Overlap",
    "PreparedTask",
    "QuerySet",
    "Split",
    "TitleGroups",
    "UserParts",
    "catalogue_hash",
    "draw_candidates",
    "export_lists",
    "overlap",
    "prepare_task",
    "rank_in_catalogue",
    "share_of_training",
    "source_training",
    "split_domain",
    "user_parts",
    "users_of_training",
]
