# A workspace of which only the placing is real: mock_driver starts no process.
#
# It reserves what a template of the contract reserves (CPU, memory, disk, one
# dynamic port, a home), and otherwise breaks that contract on purpose: without
# bridge networking and a Consul service it runs on Nomad clients that have neither,
# and mock_driver mounts nothing.

variable "slug" {
  type = string
}

variable "installation_id" {
  type    = string
  default = ""
}

variable "workspace_id" {
  type    = string
  default = ""
}

variable "namespace" {
  type    = string
  default = "default"
}

variable "node_pool" {
  type    = string
  default = "default"
}

variable "datacenters" {
  type    = list(string)
  default = ["*"]
}

variable "home_type" {
  type    = string
  default = "host"
}

variable "home_volume" {
  type    = string
  default = ""
}

variable "cpu" {
  type    = number
  default = 100
}

variable "memory" {
  type    = number
  default = 100
}

variable "disk" {
  type    = number
  default = 100
}

variable "lab" {
  description = "Value of the meta lab that the node must have; empty for any."
  type        = string
  default     = ""
}

job "placing" {
  id          = "bothy-${var.slug}"
  name        = "bothy-${var.slug}"
  namespace   = var.namespace
  node_pool   = var.node_pool
  datacenters = var.datacenters

  meta {
    bothy_installation_id = var.installation_id
    bothy_workspace_id    = var.workspace_id
  }

  dynamic "constraint" {
    for_each = var.lab == "" ? [] : [var.lab]

    content {
      attribute = "$${meta.lab}"
      value     = constraint.value
    }
  }

  group "workspace" {
    ephemeral_disk {
      size = var.disk
    }

    network {
      port "http" {
        host_network = "loopback"
      }
    }

    volume "home" {
      type            = var.home_type
      source          = var.home_volume
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }

    task "main" {
      driver       = "mock_driver"
      kill_timeout = "1s"

      config {
        run_for = "12h"
      }

      logs {
        disabled      = true
        max_files     = 1
        max_file_size = 1
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
