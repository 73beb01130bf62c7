"""HTTP without knowledge of resources: what filters and endpoints share."""
