"""What people look at: pose strips, tables, figures."""
