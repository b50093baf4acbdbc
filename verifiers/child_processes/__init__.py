"""Work on hostile texts in processes that can be killed: mathematics, regular expressions, JSON Schemas."""
