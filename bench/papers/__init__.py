"""What the papers print, and whether it can be so."""
