"""Training of adapters, and the library in which they are kept."""
