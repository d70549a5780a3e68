# The home of one workspace: an access point of its own on Amazon EFS, which
# shows the workspace nothing but its directory, and every file in it as the
# workspace's user's. It goes to whatever node the workspace goes to.
#
# Volume files have no variables: Bothy writes the values in.
# By hand: nomad volume create home.volume.hcl

type = "csi"
id   = "home-fall-26-py101-ada"

# EFS takes this as its token against making one twice; it has room for 64 characters.
name      = "fall-26-py101-ada"
namespace = "bothy"
plugin_id = "aws-efs0"

# The home of one editor, never of two at once.
capability {
  access_mode     = "single-node-writer"
  attachment_mode = "file-system"
}

parameters {
  provisioningMode      = "efs-ap"
  fileSystemId          = "fs-0123456789abcdef0"
  subPathPattern        = "/fall-26/py101/ada"
  ensureUniqueDirectory = "false"
  directoryPerms        = "700"
  uid                   = "1001"
  gid                   = "1000"
}
