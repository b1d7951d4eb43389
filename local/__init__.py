"""The scripts on one machine without Windmill: an embedded PostgreSQL and a stand-in for Windmill's API."""
