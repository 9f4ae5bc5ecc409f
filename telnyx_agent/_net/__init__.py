"""From a URL to texts: the WebSocket connection, its socket, proxies, TLS, and what waits on the way."""
