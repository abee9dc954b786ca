"""All that the host does, free of HTTP and SQL: the rules in their crash-safe order."""
