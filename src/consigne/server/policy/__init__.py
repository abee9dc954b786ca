"""What is allowed: pure judgement of values, no I/O. Others act on it."""
