# Consul policy of the Consul agent itself: its own node, and what its
# anti-entropy compares.

node_prefix "" {
  policy = "write"
}

service_prefix "" {
  policy = "read"
}
