"""JavaScript: isolates and turns. Knows QuickJS, greenlets and Trio; knows nothing of HTTP or apps."""
