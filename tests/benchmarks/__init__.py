"""Benchmarks: side by side in one run, as ratios; nothing here passes or fails."""
