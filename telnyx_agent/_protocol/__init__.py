"""The protocol without I/O: frames in, frames and events out. No socket, thread, clock, randomness or logging here."""
