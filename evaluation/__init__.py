"""How good search and answers are, measured on a folder of questions: ``python -m evaluation --help``."""
