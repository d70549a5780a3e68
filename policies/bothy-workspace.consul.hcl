# Consul policy of the tasks in Bothy's Nomad namespace, given by the role
# nomad-bothy-tasks to a task with a consul block. It finds Bothy and nothing else.

service "bothy" {
  policy = "read"
}

node_prefix "" {
  policy = "read"
}
