"""Motion textual inversion (the paper's Tables 3 and 4) and words of unseen styles (Figure 7)."""
