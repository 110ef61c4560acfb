"""What recommenders share that train a text encoder on items."""
