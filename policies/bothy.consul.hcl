# Consul policy of the Bothy server.
# Install: consul acl policy create -name bothy -rules @bothy.consul.hcl

# The lock that names the one reconciling instance: reconcile.lock_path, which is
# bothy/<installation id>/reconciler unless set. Its session belongs to the node of
# the Consul agent that Bothy asks; where that is one, name it: session "node-1".
key_prefix "bothy/" {
  policy = "write"
}

session_prefix "" {
  policy = "write"
}

# Bothy's own registration, with its catch-all route.
service "bothy" {
  policy = "write"
}

# Workspaces' routes and health.
service_prefix "" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}

agent_prefix "" {
  policy = "read"
}
