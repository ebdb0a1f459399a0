"""Rate equations: slopes, steps, cuts, crossings and events."""
