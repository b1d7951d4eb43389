"""A demonstration of everything, over HTTP, on one machine: ``python -m local.demo``."""
