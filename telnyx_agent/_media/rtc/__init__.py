"""ICE, DTLS, SRTP and RTP, on aiortc."""
