"""More than accuracy: popularity bias, stability and cost of stored runs."""
