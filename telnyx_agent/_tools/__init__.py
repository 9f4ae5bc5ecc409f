"""Client-side tools: the program's functions that the agent may ask for."""
