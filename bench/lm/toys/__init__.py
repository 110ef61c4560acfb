"""Language models small enough to be made and trained on the spot."""
