"""HTML pages that need no network: motions that play, and reports of results."""
