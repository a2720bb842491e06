"""What proves who a user is."""
