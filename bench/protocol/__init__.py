"""The evaluation protocol: splits, candidate lists and the task that a recommender is given."""
