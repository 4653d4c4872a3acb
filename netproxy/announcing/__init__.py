"""Who answers on the network for the addresses of load balancers: one node for each, another when it dies."""
