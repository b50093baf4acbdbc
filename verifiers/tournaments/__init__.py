"""Who plays whom, and what their points say: schedules and ratings of comparisons two by two."""
