"""Calls: their states, hold, DTMF, and how they end. PURE."""
