"""What PostgreSQL is spoken to with: where it is, and connections that outlive its absence. Knows no table of ours."""
