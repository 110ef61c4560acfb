"""Files: hashing and storing them, reading YAML strictly, and finding those that come with the package."""
