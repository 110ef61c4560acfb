"""Measured figures beside those that papers print."""
