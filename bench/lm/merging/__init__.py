"""Ways to merge several adapters into one."""
