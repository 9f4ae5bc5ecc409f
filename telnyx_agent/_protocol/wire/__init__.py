"""What goes over the WebSocket: JSON-RPC, requests and what the server sends. PURE."""
