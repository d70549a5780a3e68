# A workspace as small as can be: one task that keeps a home and reads its secret,
# and NGINX in the same network namespace, behind Fabio.

variable "slug" {
  type = string
}

job "page" {
  id        = "bothy-${var.slug}"
  namespace = "bothy"

  group "workspace" {
    network {
      mode = "bridge"
      port "http" {
        to = 8080
      }
    }

    ephemeral_disk {
      size = 30
    }

    volume "home" {
      type            = "host"
      source          = "home-${var.slug}"
      access_mode     = "single-node-single-writer"
      attachment_mode = "file-system"
    }

    service {
      name = var.slug
      port = "http"
      tags = ["bothy", "urlprefix-/${var.slug}/"]
      check {
        type     = "http"
        path     = "/${var.slug}/"
        interval = "1s"
        timeout  = "1s"
      }
    }

    # app counts its starts in the home and shows them with its secret.
    task "app" {
      driver = "exec"
      user   = "nobody"
      config {
        command = "/bin/bash"
        args = ["-c", <<-SH
          cd /home/student && echo started >> starts
          page=/alloc/data/www/${var.slug} && mkdir -p $page
          echo "$(cat /secrets/password) $(wc -l < starts) $(id -un)" > $page/index.html
          exec sleep infinity
          SH
        ]
      }
      vault {
        env          = false
        disable_file = true
      }
      identity {
        name = "vault_default"
        aud  = ["vault.io"]
        file = true
        ttl  = "1h"
      }
      template {
        destination = "secrets/password"
        data        = "{{ with secret (printf \"bothy/data/workspaces/%s/env\" (env \"NOMAD_JOB_ID\")) }}{{ .Data.data.password }}{{ end }}"
      }
      volume_mount {
        volume      = "home"
        destination = "/home/student"
      }
      resources {
        cpu    = 50
        memory = 32
      }
      logs {
        max_files     = 1
        max_file_size = 5
      }
      kill_timeout = "1s"
    }

    task "web" {
      driver = "exec"
      user   = "nobody"
      config {
        command = "/usr/sbin/nginx"
        args    = ["-e", "stderr", "-c", "/local/nginx.conf", "-g", "daemon off;"]
      }
      template {
        destination = "local/nginx.conf"
        data        = <<-CONF
          pid /local/nginx.pid;
          events {}
          http {
            access_log off;
            client_body_temp_path /local/body;
            proxy_temp_path /local/proxy;
            fastcgi_temp_path /local/fastcgi;
            uwsgi_temp_path /local/uwsgi;
            scgi_temp_path /local/scgi;
            server {
              listen 8080;
              root /alloc/data/www;
            }
          }
        CONF
      }
      resources {
        cpu    = 50
        memory = 32
      }
      logs {
        max_files     = 1
        max_file_size = 5
      }
      kill_timeout = "1s"
    }
  }
}
