"""How reward models are read: their cards, their steps, and what makes one score of many."""
