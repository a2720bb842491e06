"""A demo relying party: a web application that signs people in with idp."""
