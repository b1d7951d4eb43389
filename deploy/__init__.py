"""Bringing the collection to a Windmill server: build folder, metadata, locks, push."""
