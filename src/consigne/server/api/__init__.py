"""The HTTP API: what requests say, which method of the service that is, how it is answered."""
