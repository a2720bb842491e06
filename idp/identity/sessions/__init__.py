"""Who is signed in, on which browser."""
