"""What the OpenAPI document says, declared beside the routes that it describes, and put together once."""
