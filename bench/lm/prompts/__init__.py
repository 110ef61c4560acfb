"""The texts that language models read, and how they are cut to fit."""
