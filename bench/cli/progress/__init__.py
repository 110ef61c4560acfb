"""How the command line shows progress on standard error: a live display on a terminal, lines elsewhere.

``shown`` has the options and chooses; ``live`` and ``plain`` are the displays.
"""

from typing import TYPE_CHECKING

from bench.files.lazy import lazy_names

if TYPE_CHECKING:
    from bench.cli.progress.live import LiveDisplay
    from bench.cli.progress.plain import PlainDisplay
    from bench.cli.progress.shown import ProgressChoice, progress_options
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = ["LiveDisplay", "PlainDisplay", "ProgressChoice", "progress_options"]
