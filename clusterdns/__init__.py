"""Names of services and pods, answered on every node; all other names are asked of the host's resolvers."""
