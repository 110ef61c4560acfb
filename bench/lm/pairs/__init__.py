"""Models that read a history and a candidate as one text."""
