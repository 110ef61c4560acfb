"""What training needs whatever the model: loops, sequences, losses and scores."""
