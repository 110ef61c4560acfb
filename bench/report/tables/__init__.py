"""Tables of a report: what stands in which cell."""
