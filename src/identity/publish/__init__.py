"""Outside shapes out: what each purpose may see."""
