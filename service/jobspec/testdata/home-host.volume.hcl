# The home of one workspace: a directory on one node, made by Nomad's own
# plugin. It cannot move to another node.
#
# Volume files have no variables: Bothy writes the values in.
# By hand: nomad volume create home.volume.hcl

type      = "host"
name      = "home-fall-26-py101-ada"
namespace = "bothy"
node_pool = "default"
plugin_id = "mkdir"

# The home of one editor, on one node, never of two at once.
capability {
  access_mode     = "single-node-single-writer"
  attachment_mode = "file-system"
}

parameters {
  mode = "0700"
  uid  = "1000"
  gid  = "1000"
}
