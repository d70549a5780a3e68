# The home of one workspace: an access point of its own on Amazon EFS, which
# shows the workspace nothing but its directory, and every file in it as the
# workspace's user's. It goes to whatever node the workspace goes to.
#
# Volume files have no variables: Bothy writes the values in.
# By hand: nomad volume create home.volume.hcl

type = "csi"
id   = "home-demo-py101-ada"

# EFS takes this as its token against making one twice; it has room for 64 characters.
name      = "demo-py101-ada"
namespace = "default"
plugin_id = "efs"

# The home of one editor, never of two at once.
capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

parameters {
  provisioningMode      = "efs-ap"
  fileSystemId          = "fs-00000000000000000"
  subPathPattern        = "/demo/py101/ada"
  ensureUniqueDirectory = "false"
  directoryPerms        = "700"
  uid                   = "1000"
  gid                   = "1000"
}
