"""Networks that one recommender each trains, kept apart from the recommender that fits them."""
