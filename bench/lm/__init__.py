"""What all language-model methods share."""
