"""What is said and typed: transcript, questions, the state of the agent. PURE."""
