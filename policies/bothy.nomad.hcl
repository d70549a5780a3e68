# Nomad policy of the Bothy server.
# Install: nomad acl policy apply bothy bothy.nomad.hcl
# Another namespace than "bothy" is a setting of the server; change it here too.

namespace "bothy" {
  capabilities = [
    # Jobs: parse and plan templates, submit and stop workspaces, follow their
    # allocations and deployments in the event stream.
    "list-jobs",
    "parse-job",
    "read-job",
    "submit-job",

    # Workspaces at work: logs, restart, and the signal to NGINX.
    "read-logs",
    "alloc-lifecycle",

    # Commands inside workspaces (bothy exec). Without alloc-exec everything else works.
    "alloc-exec",

    # Homes on this cluster's own disks.
    "host-volume-create",
    "host-volume-read",
    "host-volume-delete",

    # Homes on a CSI volume.
    "csi-list-volume",
    "csi-read-volume",
    "csi-write-volume",
    "csi-mount-volume",
  ]
}

# Only homes may be mounted, and no other host volume of a node.
host_volume "home-*" {
  capabilities = ["mount-readwrite"]
}

# Free capacity, for choosing a home's node; node events in the event stream.
node {
  policy = "read"
}

node_pool "*" {
  policy = "read"
}

# The CSI plugin's health, before a home is asked of it.
plugin {
  policy = "read"
}
