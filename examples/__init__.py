"""Programs that use idp from the outside: a relying party, a microservice, a service client, the demo."""
