"""One protocol for classical, transferable and language-model recommenders."""

__version__ = "0.1.0"
