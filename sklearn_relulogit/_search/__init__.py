"""The search for the penalty: by two halves of the rows, or by cross-validation."""
