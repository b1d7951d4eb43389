"""The schema, and its installation."""
