"""Who may use the service, and how much of it: keys, what each may do, and everybody's share."""
