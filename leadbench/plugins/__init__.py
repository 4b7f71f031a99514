"""Hook specifications, the plugin manager, and what leadbench registers itself."""
