"""Low-rank adapters: what they are, how a model runs with them and how they are stored."""
