"""How the command line shows progress on standard error: a live display on a terminal, lines elsewhere."""
