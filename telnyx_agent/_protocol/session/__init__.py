"""A login from the first frame to the last: registration, recovery, liveness. PURE."""
