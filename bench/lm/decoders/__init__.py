"""Decoders that rank candidates, by likelihood or by the list that they write."""
