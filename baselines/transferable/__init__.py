"""What recommenders share that learn from source domains and read items by their text."""
