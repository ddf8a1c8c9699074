"""Tables: the encodings of columns, and a pipeline for raw tables."""
