"""What the tests share: services, servers, a relying party and a browser without a screen."""
