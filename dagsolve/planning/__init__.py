"""Planning: budgets, actions, replay and costs; shapes only, no data."""
