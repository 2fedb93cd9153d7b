"""The HTTP side: listeners, connections, HTTP/1.1, routing. Begin at ``server.serve``."""
