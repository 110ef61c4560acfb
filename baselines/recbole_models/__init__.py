"""What it takes to train and score the models of RecBole under this protocol."""
