"""Opus, G.722 and G.711: encoding, decoding, and what fills gaps."""
