"""Text-to-motion (the paper's Tables 1, 2, 5 and 6)."""
