"""What runs on the loop thread: the session driver feeds the pure core, the call driver moves its media. Nothing else
does.
"""
