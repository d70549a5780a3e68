# Consul policy of the Nomad agents. Workspaces' services are registered with the
# workload's own identity; the agent must be able to remove those that are left.

agent_prefix "" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}

service_prefix "" {
  policy = "write"
}
