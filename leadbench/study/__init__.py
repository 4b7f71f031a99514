"""The paper's user study as a tool: people rate motions of two rows side by side (section 5.3, Figures 4 and 5)."""
