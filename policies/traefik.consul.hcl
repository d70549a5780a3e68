# Consul policy of Traefik: it reads services and their health and registers
# nothing.

node_prefix "" {
  policy = "read"
}

service_prefix "" {
  policy = "read"
}
