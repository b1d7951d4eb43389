"""Retrieval libraries that a team would pick, each as its documentation says, and ours: the same work by each."""
