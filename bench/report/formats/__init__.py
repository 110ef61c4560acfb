"""The formats a table can be written in."""
