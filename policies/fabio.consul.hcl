# Consul policy of Fabio: it reads routes and registers nothing.

agent_prefix "" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}

service_prefix "" {
  policy = "read"
}

key_prefix "fabio/" {
  policy = "read"
}
