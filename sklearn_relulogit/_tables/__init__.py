"""Tables: a fixed first layer for numeric columns, and one line from a raw frame."""
