"""The index in a PostgreSQL, which several proxies may share."""
