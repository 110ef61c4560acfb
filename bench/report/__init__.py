"""Tables, figures and comparisons as pure functions of the run store."""
