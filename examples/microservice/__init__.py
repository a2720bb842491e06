"""A demo microservice: an API that accepts idp's access tokens."""
