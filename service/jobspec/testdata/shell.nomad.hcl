# A terminal in the browser (Shell In A Box), for hosts without Docker.
#
# One workspace of one student: a shell behind NGINX, without an editor, run by
# the exec driver from programs of the host. The client's chroot_env must hold
# them, their libraries and an /etc/passwd with the users "coder" and "nobody";
# docs/templates.md lists what is needed.
#
# By hand: nomad volume create home.volume.hcl, then
# nomad job run -var slug=demo-unix-ada shell.nomad.hcl

# ---- Set by Bothy: the reserved vocabulary of docs/templates.md ----

variable "slug" {
  description = "The workspace's unique name: end of the job id, Consul service and URL path."
  type        = string
  default     = "fall-26-py101-ada"

  validation {
    condition     = strlen(var.slug) <= 63 && var.slug != "" && regex_replace(var.slug, "^[a-z0-9]+(-[a-z0-9]+)*$", "") == ""
    error_message = "A slug has 1 to 63 lower-case letters, digits and single hyphens between them."
  }
}

variable "installation_id" {
  description = "The Bothy installation that keeps this job; empty for a job run by hand."
  type        = string
  default     = "0199-installation"

  validation {
    condition     = regex_replace(var.installation_id, "^[A-Za-z0-9-]*$", "") == ""
    error_message = "An installation id has letters, digits and hyphens only."
  }
}

variable "workspace_id" {
  description = "The workspace in Bothy's database; empty for a job run by hand."
  type        = string
  default     = "0199-workspace"

  validation {
    condition     = regex_replace(var.workspace_id, "^[A-Za-z0-9-]*$", "") == ""
    error_message = "A workspace id has letters, digits and hyphens only."
  }
}

variable "namespace" {
  description = "Nomad namespace."
  type        = string
  default     = "bothy"

  validation {
    condition     = var.namespace != "" && regex_replace(var.namespace, "^[A-Za-z0-9-]+$", "") == ""
    error_message = "A namespace has letters, digits and hyphens only."
  }
}

variable "node_pool" {
  description = "Nomad node pool."
  type        = string
  default     = "default"

  validation {
    condition     = var.node_pool != "" && regex_replace(var.node_pool, "^[A-Za-z0-9_-]+$", "") == ""
    error_message = "A node pool has letters, digits, hyphens and underscores only."
  }
}

variable "datacenters" {
  description = "Nomad datacenters; a name may hold * for any text."
  type        = list(string)
  default     = ["dc1"]

  validation {
    condition     = length(var.datacenters) > 0
    error_message = "At least one datacenter is needed."
  }
}

variable "home_type" {
  description = "Kind of volume that the home is: host or csi."
  type        = string
  default     = "host"

  validation {
    condition     = contains(["host", "csi"], var.home_type)
    error_message = "The home's type is host or csi."
  }
}

variable "home_volume" {
  description = "Name (host) or id (csi) of the home's volume; empty for home-<slug>."
  type        = string
  default     = "home-fall-26-py101-ada"

  validation {
    condition     = regex_replace(var.home_volume, "^[A-Za-z0-9_-]*$", "") == ""
    error_message = "A volume has letters, digits, hyphens and underscores only."
  }
}

variable "labs_url" {
  description = "Origin of all workspaces as a browser sees it, without a path."
  type        = string
  default     = "http://labs.localhost:9999"

  validation {
    condition     = regex_replace(var.labs_url, "^https?://[A-Za-z0-9.:-]+$", "") == ""
    error_message = "The labs URL is http:// or https:// and a host, and a port where it is not the usual one."
  }
}

variable "labs_host" {
  description = "Host, and port where it is not the usual one, of the labs URL."
  type        = string
  default     = "labs.localhost:9999"

  validation {
    condition     = var.labs_host != "" && regex_replace(var.labs_host, "^[A-Za-z0-9.-]+(:[0-9]+)?$", "") == ""
    error_message = "The labs host is a host name, and :port where it is not the usual one."
  }
}

variable "console_url" {
  description = "Origin of Bothy's console, for the link in Nomad's own UI; empty for none."
  type        = string
  default     = "http://bothy.localhost:8080"

  validation {
    condition     = regex_replace(var.console_url, "^(https?://[A-Za-z0-9.:-]+)?$", "") == ""
    error_message = "The console URL is http:// or https:// and a host, and a port where it is not the usual one."
  }
}

variable "door_url" {
  description = "Where NGINX asks whether a visitor may come in; empty, by hand only, for a workspace that is open to everybody."
  type        = string
  default     = ""

  validation {
    condition     = regex_replace(var.door_url, "^(http://[A-Za-z0-9.-]+(:[0-9]+)?)?$", "") == ""
    error_message = "The door's URL is http://, an address or a name, and a port."
  }
}

variable "door_resolver" {
  description = "DNS server that NGINX asks for the host of the door's URL, with its port; empty where that is an address."
  type        = string
  default     = ""

  validation {
    condition     = regex_replace(var.door_resolver, "^([0-9.]+:[0-9]+)?$", "") == ""
    error_message = "The resolver is an address and a port."
  }
}

variable "vault_role" {
  description = "Vault role of the workspace's tasks; empty for a workspace without secrets."
  type        = string
  default     = "bothy-workspace"

  validation {
    condition     = regex_replace(var.vault_role, "^[A-Za-z0-9_-]*$", "") == ""
    error_message = "A Vault role has letters, digits, hyphens and underscores only."
  }
}

variable "vault_path" {
  description = "KV version 2 data path of the workspace's secrets; empty for bothy/data/workspaces/bothy-<slug>/env."
  type        = string
  default     = "bothy/data/workspaces/bothy-fall-26-py101-ada/env"

  validation {
    condition     = regex_replace(var.vault_path, "^[A-Za-z0-9/_-]*$", "") == ""
    error_message = "A secret's path has letters, digits, hyphens, underscores and slashes only."
  }
}

# ---- Set by the course ----

variable "cpu" {
  description = "CPU reserved for the workspace, in MHz."
  type        = number
  default     = 200

  validation {
    condition     = var.cpu >= 100 && var.cpu == floor(var.cpu)
    error_message = "The CPU is a whole number of MHz, 100 or more."
  }
}

variable "memory" {
  description = "Memory reserved for the workspace, in MB."
  type        = number
  default     = 2048

  validation {
    condition     = var.memory >= 64 && var.memory == floor(var.memory)
    error_message = "The memory is a whole number of MB, 64 or more."
  }
}

variable "memory_max" {
  description = "Memory the workspace may use while its node has some to spare, in MB; 0 for no more than is reserved. Counts where Nomad's memory oversubscription is on."
  type        = number
  default     = 0

  validation {
    condition     = var.memory_max >= 0 && var.memory_max == floor(var.memory_max)
    error_message = "The most memory is a whole number of MB, or 0."
  }
}

variable "disk" {
  description = "Disk reserved for logs and temporary files, in MB; the home is a volume and does not count."
  type        = number
  default     = 300

  validation {
    condition     = var.disk >= 100 && var.disk == floor(var.disk)
    error_message = "The disk is a whole number of MB, 100 or more."
  }
}

variable "environment" {
  description = "Further environment variables of the workspace. Secrets do not belong here but in Vault."
  type        = map(string)
  default     = {
    "COURSE" = "Python \"101\" for $5; 50%"
    "LANG"   = "de_DE.UTF-8"
  }

  validation {
    condition     = length([for name in keys(var.environment) : name if regex_replace(name, "^[A-Za-z_][A-Za-z0-9_]*$", "") != ""]) == 0
    error_message = "An environment variable's name has letters, digits and underscores, and does not begin with a digit."
  }
}

# ---- Set by the operator, where programs lie elsewhere in the chroot ----

variable "terminal" {
  description = "The web terminal shellinaboxd, in the chroot."
  type        = string
  default     = "/opt/web-terminal/shellinaboxd"

  validation {
    condition     = regex_replace(var.terminal, "^/[A-Za-z0-9/._-]+$", "") == ""
    error_message = "The web terminal is named by an absolute path."
  }
}

variable "nginx" {
  description = "NGINX, in the chroot."
  type        = string
  default     = "/usr/sbin/nginx"

  validation {
    condition     = regex_replace(var.nginx, "^/[A-Za-z0-9/._-]+$", "") == ""
    error_message = "NGINX is named by an absolute path."
  }
}

locals {
  home_volume = var.home_volume != "" ? var.home_volume : "home-${var.slug}"
  vault_path  = var.vault_path != "" ? var.vault_path : "bothy/data/workspaces/bothy-${var.slug}/env"

  # The host that NGINX and Traefik compare has no port; the one that Fabio compares has it.
  labs_name = regex_replace(var.labs_host, ":[0-9]+$", "")

  # A name is looked up again and again: the door may move without a word to anybody.
  resolver = var.door_resolver == "" ? "" : "resolver ${var.door_resolver} valid=5s ipv6=off; resolver_timeout 200ms;"
  door     = var.door_url == "" ? "off" : "/-/door"

  # The cookie that stands for a browser: over HTTPS nobody but this host can set it.
  browser = regex_replace(var.labs_url, "^https://.*", "") == "" ? "__Host-bothy_browser" : "bothy_browser"

  # Where a visitor without a pass is sent.
  entrance = var.console_url == "" ? "return 401" : "return 303 ${var.console_url}/open/${var.slug}?to=$inside"

  # NGINX's own two pages, between its single quotes, and how both begin. They look as Bothy's do.
  page    = "<!doctype html><html lang=en><meta name=viewport content=\"width=device-width, initial-scale=1\"><meta name=color-scheme content=\"light dark\"><style>body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f6f5f1;color:#1d2523;font:1rem/1.55 system-ui,sans-serif} main{max-width:28rem;padding:1.5rem} h1{margin:0 0 1.25rem;font-size:1.75rem;line-height:1.15} p{margin:0;padding:1.25rem 1.5rem;background:#fff;border:1px solid #dcd9d0;border-radius:.9rem} a{color:#146b5a} @media (prefers-color-scheme:dark){body{background:#121615;color:#e6ebe9} p{background:#1a201e;border-color:#2f3937} a{color:#6fd3bb} }</style>"
  refused = "<title>You may not open this workspace · Bothy</title><main><h1>You may not open this workspace</h1><p>You are not, or not any more, one of the people who may; or another page tried to use it. <a href=\"${var.console_url}/open/${var.slug}\">Open it anew</a></p></main></html>"
  away    = "<meta http-equiv=refresh content=2><title>One moment · Bothy</title><main><h1>One moment</h1><p>Bothy does not answer just now. This page tries again by itself.</p></main></html>"
}

job "shell" {
  id          = "bothy-${var.slug}"
  name        = "bothy-${var.slug}"
  namespace   = var.namespace
  node_pool   = var.node_pool
  datacenters = var.datacenters
  type        = "service"

  # What never changes over the job's life, and nothing else: a change of meta replaces a running shell.
  meta {
    bothy_installation_id = var.installation_id
    bothy_workspace_id    = var.workspace_id
  }

  ui {
    description = "Workspace ${var.slug}"

    link {
      label = "Open the workspace"
      url   = "${var.labs_url}/${var.slug}/"
    }

    dynamic "link" {
      for_each = var.console_url == "" ? [] : [var.console_url]

      content {
        label = "Show it in Bothy"
        url   = "${link.value}/workspaces/${var.slug}"
      }
    }
  }

  # One instance with a home: the old one ends before the new one starts, and
  # a version that does not become healthy stays visible instead of being undone.
  update {
    max_parallel      = 1
    canary            = 0
    health_check      = "checks"
    min_healthy_time  = "3s"
    healthy_deadline  = "5m"
    progress_deadline = "10m"
    auto_revert       = false
  }

  reschedule {
    unlimited      = true
    delay          = "15s"
    delay_function = "exponential"
    max_delay      = "10m"
  }

  group "workspace" {
    count = 1

    # One home never gets two shells: a client that has lost its servers for
    # this long stops the shell by itself. Only after that, and only where the
    # home can follow (csi), is it replaced on another node; a home on the lost
    # node's own disk waits for the node.
    disconnect {
      stop_on_client_after = "5m"
      replace              = var.home_type == "csi"
      reconcile            = "keep_original"
    }

    restart {
      attempts         = 3
      interval         = "5m"
      delay            = "5s"
      mode             = "fail"
      render_templates = true
    }

    ephemeral_disk {
      size = var.disk
    }

    network {
      mode = "bridge"

      port "http" {
        to = 8080
      }
    }

    volume "home" {
      type            = var.home_type
      source          = local.home_volume
      access_mode     = var.home_type == "csi" ? "single-node-writer" : "single-node-single-writer"
      attachment_mode = "file-system"
    }

    service {
      name     = var.slug
      provider = "consul"
      port     = "http"

      tags = [
        "bothy",
        "urlprefix-/${var.slug}/",
        "urlprefix-${var.slug}.${var.labs_host}/",
        "traefik.enable=true",
        "traefik.http.routers.${var.slug}.rule=(Host(`${local.labs_name}`) && (Path(`/${var.slug}`) || PathPrefix(`/${var.slug}/`))) || Host(`${var.slug}.${local.labs_name}`)",
      ]

      check {
        name     = "usable"
        type     = "http"
        path     = "/-/health"
        interval = "3s"
        timeout  = "2s"
      }
    }

    task "shell" {
      driver       = "exec"
      user         = "coder"
      kill_timeout = "15s"

      # The exec driver sets the user but not the group, and leaves capabilities
      # that amount to root: setpriv sets the one and takes away the others.
      config {
        command  = "/usr/bin/setpriv"
        cap_drop = ["all"]
        cap_add  = ["setgid", "setpcap"]
        args = [
          "--regid=coder",
          "--clear-groups",
          "--ambient-caps=-all",
          "--inh-caps=-all",
          "--bounding-set=-all",
          "--no-new-privs",
          "/bin/bash",
          "${NOMAD_TASK_DIR}/start",
        ]
      }

      # The terminal opens a PAM session for the shell even though it asks nobody
      # for a password: the door is NGINX's. What PAM needs for that is this file.
      template {
        destination = "etc/pam.d/shellinabox"
        change_mode = "noop"
        data        = <<-EOT
          auth     required pam_permit.so
          account  required pam_permit.so
          session  required pam_permit.so
        EOT
      }

      # It also gives each shell a bare environment. The task's own, with the
      # course's variables and the secrets, waits in memory for the shell to read.
      template {
        destination = "${NOMAD_TASK_DIR}/start"
        change_mode = "noop"
        data        = <<-EOT
          set -a
          [ ! -e "$NOMAD_SECRETS_DIR/workspace.env" ] || . "$NOMAD_SECRETS_DIR/workspace.env"
          set +a
          umask 077
          export -p > "$NOMAD_SECRETS_DIR/environment"
          umask 022
          exec ${var.terminal} \
            --localhost-only --port=8081 \
            --disable-ssl --disable-ssl-menu --disable-utmp-logging --disable-peer-check --no-beep \
            --service="/:coder:coder:HOME:/bin/bash $NOMAD_TASK_DIR/shell"
        EOT
      }

      template {
        destination = "${NOMAD_TASK_DIR}/shell"
        change_mode = "noop"
        data        = <<-EOT
          terminal=$TERM
          source /secrets/environment
          TERM=$terminal exec /bin/bash --login
        EOT
      }

      # HOME comes from /etc/passwd: the exec driver takes it from there.
      env = merge(var.environment, {
        PATH  = "/usr/local/bin:/usr/bin:/bin"
        SHELL = "/bin/bash"
        LANG  = "C.UTF-8"
      })

      volume_mount {
        volume      = "home"
        destination = "/home/coder"
      }

      # The token itself stays out of the task; what it may read becomes environment.
      dynamic "vault" {
        for_each = var.vault_role == "" ? [] : [var.vault_role]

        content {
          role         = vault.value
          env          = false
          disable_file = true
          change_mode  = "noop"
        }
      }

      # A changed secret counts from the next start: it interrupts nobody at work.
      dynamic "template" {
        for_each = var.vault_role == "" ? [] : [local.vault_path]

        content {
          destination = "${NOMAD_SECRETS_DIR}/workspace.env"
          change_mode = "noop"
          perms       = "0444" # of a folder that nobody else sees

          # A shell reads it: values are quoted, and a name that is none is left out.
          data = <<-EOT
            {{- with secret "${template.value}" }}
            {{- range $name, $value := .Data.data }}
            {{- if $name | regexMatch "^[A-Za-z_][A-Za-z0-9_]*$" }}
            {{ $name }}='{{ $value | printf "%v" | replaceAll "'" "'\\''" }}'
            {{- end }}
            {{- end }}
            {{- end }}
          EOT
        }
      }

      resources {
        cpu        = var.cpu
        memory     = var.memory
        memory_max = var.memory_max > 0 ? var.memory_max : null
      }

      logs {
        max_files     = 2
        max_file_size = 5
      }
    }

    task "nginx" {
      driver       = "exec"
      user         = "nobody"
      kill_timeout = "5s"

      # As above. 65534 is the group of nobody, by whatever name.
      config {
        command  = "/usr/bin/setpriv"
        cap_drop = ["all"]
        cap_add  = ["setgid", "setpcap"]
        args = [
          "--regid=65534",
          "--clear-groups",
          "--ambient-caps=-all",
          "--inh-caps=-all",
          "--bounding-set=-all",
          "--no-new-privs",
          var.nginx,
          "-e",
          "stderr",
          "-c",
          "${NOMAD_TASK_DIR}/nginx.conf",
        ]
      }

      # Of all that is in here, only the slug, the origins and the door come from outside.
      template {
        destination = "${NOMAD_TASK_DIR}/nginx.conf"
        change_mode = "noop"
        data        = <<-EOT
          daemon off;
          worker_processes 1;
          worker_shutdown_timeout 5s;
          pid {{ env "NOMAD_TASK_DIR" }}/nginx.pid;

          # Error lines quote whole requests, query strings included, and those
          # may hold tickets. What fails upstream is in the access log.
          error_log stderr emerg;

          events {
            worker_connections 4096;
          }

          http {
            # Before the first map. Both hold a workspace's own host, of up to 253 characters.
            map_hash_bucket_size 512;
            server_names_hash_bucket_size 512;

            client_body_temp_path {{ env "NOMAD_TASK_DIR" }}/client_body;
            proxy_temp_path {{ env "NOMAD_TASK_DIR" }}/proxy;
            fastcgi_temp_path {{ env "NOMAD_TASK_DIR" }}/fastcgi;
            uwsgi_temp_path {{ env "NOMAD_TASK_DIR" }}/uwsgi;
            scgi_temp_path {{ env "NOMAD_TASK_DIR" }}/scgi;

            map $request_uri $path_only {
              "~^(?<without_query>[^?]*)" $without_query;
            }
            log_format bothy '$remote_addr $host "$request_method $path_only $server_protocol" '
                             '$status $body_bytes_sent $request_time $upstream_status';
            access_log /dev/stdout bothy;

            server_tokens off;
            absolute_redirect off;
            large_client_header_buffers 8 32k;

            # Uploads and downloads stream through, of any size and pace.
            client_max_body_size 0;
            proxy_request_buffering off;
            proxy_buffering off;
            proxy_max_temp_file_size 0;
            proxy_connect_timeout 5s;
            proxy_read_timeout 1d;
            proxy_send_timeout 1d;
            send_timeout 10m;

            map $http_upgrade $connection_upgrade {
              ""      close;
              default upgrade;
            }
            map $upstream_http_service_worker_allowed $service_worker_allowed {
              ""      "";
              default $workspace_prefix/;
            }
            map $host $workspace_prefix {
              "${var.slug}.${local.labs_name}" "";
              default "/${var.slug}";
            }
            # What a redirect to "./" is relative to: older curls get that wrong below a path.
            map $request_uri $request_folder {
              "~^(?<folder>/(?:[^?]*/)?)" $folder;
              default "/";
            }
            # The request's own spelling without the prefix: what is encoded stays encoded.
            map $request_uri $workspace_uri {
              "~^/${var.slug}(?<rest>/.*)$" $rest;
              default "";
            }

            # ---- The door: Bothy says who may come in ----

            # What it said lies in this task's own folder, where the workspace can't write.
            # A yes is good for 5 s, which Bothy waits for before it has connections ended,
            # and for as long as Bothy is away; a no takes the place of a yes at once. It is
            # never "updating": that would let in once more what has been withdrawn. It is one
            # worker's, and an eviction starts another: whoever is thrown out has no yes left.
            proxy_cache_path {{ env "NOMAD_TASK_DIR" }}/door levels=1 keys_zone=door:1m max_size=16m inactive=1d use_temp_path=off;
            ${local.resolver}

            # Passes are the door's alone, however many there are and whoever set them: the
            # workspace gets the other cookies, and none at all if one were left. The last are
            # looked at: browsers send those of longer paths first, which nobody removes, and
            # the entrance removes what else can follow the door's own.
            map $http_cookie $pass_1 {
              "~^(?:.*;)?\s*(?:__Host-)?bothy_pass=(?<found_1>[A-Za-z0-9_-]{20,80})\s*(?:;|$)" $found_1;
            }
            map $http_cookie $cookies_1 {
              "~^(?<before_1>.*;|)\s*(?:__Host-)?bothy_pass=[^;]*(?:;|$)(?<after_1>.*)$" $before_1$after_1;
              default $http_cookie;
            }
            map $cookies_1 $pass_2 {
              "~^(?:.*;)?\s*(?:__Host-)?bothy_pass=(?<found_2>[A-Za-z0-9_-]{20,80})\s*(?:;|$)" $found_2;
            }
            map $cookies_1 $cookies_2 {
              "~^(?<before_2>.*;|)\s*(?:__Host-)?bothy_pass=[^;]*(?:;|$)(?<after_2>.*)$" $before_2$after_2;
              default $cookies_1;
            }
            map $cookies_2 $pass_3 {
              "~^(?:.*;)?\s*(?:__Host-)?bothy_pass=(?<found_3>[A-Za-z0-9_-]{20,80})\s*(?:;|$)" $found_3;
            }
            map $cookies_2 $cookies_3 {
              "~^(?<before_3>.*;|)\s*(?:__Host-)?bothy_pass=[^;]*(?:;|$)(?<after_3>.*)$" $before_3$after_3;
              default $cookies_2;
            }
            # The browser's cookie likewise. Of two, one was set by somebody else: neither counts.
            map $http_cookie $browser {
              "~(?:^|;)\s*${local.browser}=[^;]*;(?:.*;)?\s*${local.browser}=" "";
              "~(?:^|;)\s*${local.browser}=(?<found_browser>[A-Za-z0-9_-]{20,80})\s*(?:;|$)" $found_browser;
            }
            map $cookies_3 $cookies_4 {
              "~^(?<before_4>|.*?;)\s*(?:__Host-)?bothy_browser=[^;]*(?:;|$)(?<after_4>.*)$" $before_4$after_4;
              default $cookies_3;
            }
            map $cookies_4 $workspace_cookies {
              "~*bothy_(?:pass|browser)" "";
              default $cookies_4;
            }
            # Over https, the pass for a host of its own has a prefix: no neighbour sets such a
            # one, and however many others there are, it is the one that counts.
            map "$host_kind $http_cookie" $own_pass {
              "~^own (?:.*;)?\s*__Host-bothy_pass=(?<found_own>[A-Za-z0-9_-]{20,80})\s*(?:;|$)" $found_own;
            }
            map "$own_pass:$pass_1$pass_2$pass_3" $passes {
              ":" "";
              "~^(?<own_alone>[^:]+):" $own_alone;
              default "$pass_1,$pass_2,$pass_3";
            }
            # A pass is for one browser alone: without the browser there is none.
            map $browser $nobody {
              "" 1;
              default "";
            }
            map $passes $nameless {
              "" 1;
              default $nobody;
            }
            # A browser shows the answer as a page: Bothy's door goes by the same.
            map "$request_method $http_sec_fetch_mode:$http_sec_fetch_dest:$http_upgrade:$http_accept" $is_page {
              "~^(?:GET|HEAD) navigate:document::" 1;
              "~^(?:GET|HEAD) :[^:]*::.*text/html" 1;
            }
            # Pages of other origins, those of other workspaces among them, may lead here
            # and do nothing else: neither embed, nor send, nor connect.
            map "$http_sec_fetch_site:$http_sec_fetch_mode:$http_sec_fetch_dest" $foreign_page {
              "~^(?:same-site|cross-site):navigate:document$" "";
              "~^(?:same-site|cross-site):" 1;
            }
            map "$http_origin $http_host" $foreign_origin {
              "~^ " "";
              "~*^https?://(\S+) \1$" "";
              default 1;
            }
            map $foreign_page$foreign_origin $foreign {
              "" "";
              default 1;
            }
            # The path inside the workspace, as the browser wrote it.
            map $workspace_prefix $inside {
              "" $request_uri;
              default $workspace_uri;
            }
            map $workspace_prefix $host_kind {
              "" own;
              default shared;
            }

            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Cookie $workspace_cookies;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Prefix $workspace_prefix;
            proxy_set_header Forwarded "";
            proxy_hide_header Service-Worker-Allowed;
            add_header Service-Worker-Allowed $service_worker_allowed;
            # Whose the browser is, no page has it forget: the door alone does, at its entrance.
            proxy_hide_header Clear-Site-Data;

            upstream workspace {
              server 127.0.0.1:8081;
            }

            # Consul's check and Bothy come by address. Any other name is not a
            # workspace's: a cookie of the console must never arrive here.
            server {
              listen 8080 default_server;

              location = /-/health {
                access_log off;
                proxy_read_timeout 2s;
                proxy_pass http://workspace/;
              }
              location / {
                default_type text/plain;
                return 421 "This workspace is at ${var.labs_url}/${var.slug}/\n";
              }
            }

            # On the host that all workspaces share, by path.
            server {
              listen 8080;
              server_name ${local.labs_name};

              set $door "${var.door_url}";
              location = /-/door {
                internal;
                if ($nameless) {
                  return 401;
                }
                error_page 502 504 = @kept;
                proxy_pass $door/-/door/check/$host_kind/${var.slug};
                proxy_method GET;
                proxy_pass_request_headers off;
                proxy_pass_request_body off;
                proxy_set_header X-Bothy-Pass $passes;
                proxy_set_header X-Bothy-Browser $browser;
                proxy_set_header Connection "";
                proxy_buffering on;
                # All of it in less than the second that Fabio gives a WebSocket's handshake.
                proxy_connect_timeout 250ms;
                proxy_send_timeout 100ms;
                proxy_read_timeout 400ms;
                proxy_cache door;
                proxy_cache_key $pid:$host_kind:$browser:$passes;
                proxy_cache_valid 204 5s;
                proxy_cache_valid 401 403 1s;
                proxy_cache_use_stale error timeout invalid_header http_500 http_502 http_503 http_504;
                proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
              }
              # A name that is nobody's just now is as a door that is away, but NGINX takes
              # what is stale only once it has tried to connect: here, to nothing.
              location @kept {
                proxy_pass http://unix:{{ env "NOMAD_TASK_DIR" }}/nobody;
                proxy_pass_request_headers off;
                proxy_pass_request_body off;
                proxy_buffering on;
                proxy_cache door;
                proxy_cache_key $pid:$host_kind:$browser:$passes;
                proxy_cache_use_stale error;
              }
              location = /${var.slug}/-/enter {
                if ($door = "") {
                  return 404;
                }
                error_page 502 504 = @away;
                proxy_pass $door/-/door/enter/$host_kind/${var.slug}$is_args$args;
                proxy_pass_request_body off;
                proxy_set_header X-Bothy-Pass $passes;
                proxy_set_header X-Bothy-Browser $browser;
                proxy_pass_header Clear-Site-Data;
                proxy_set_header Cookie $http_cookie; # what was planted is removed here
                proxy_buffer_size 32k; # by a header for each
                proxy_buffers 8 32k; # NGINX wants them no smaller
                proxy_set_header Content-Length "";
                proxy_set_header Connection "";
                proxy_buffering on;
                proxy_redirect off;
                proxy_connect_timeout 2s;
                proxy_read_timeout 10s;
              }
              location @sign_in {
                add_header Cache-Control no-store always;
                if ($is_page = "") {
                  return 401;
                }
                ${local.entrance};
              }
              location @refused {
                default_type "text/html; charset=utf-8";
                add_header Cache-Control no-store always;
                add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" always;
                return 403 '${local.page}${local.refused}';
              }
              location @away {
                default_type "text/html; charset=utf-8";
                add_header Cache-Control no-store always;
                add_header Retry-After 2 always;
                add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" always;
                return 503 '${local.page}${local.away}';
              }

              location = /${var.slug} {
                return 307 /${var.slug}/$is_args$args;
              }
              location /${var.slug}/ {
                if ($workspace_uri = "") {
                  return 400;
                }
                if ($foreign) {
                  return 403;
                }
                error_page 401 = @sign_in;
                error_page 403 = @refused;
                error_page 500 = @away;
                auth_request ${local.door};
                proxy_redirect ./ $request_folder;
                proxy_redirect ~^/(?!${var.slug}/)(.*)$ /${var.slug}/$1;
                proxy_cookie_path ~^/(?!${var.slug}/)(.*)$ /${var.slug}/$1;
                proxy_pass http://workspace$workspace_uri;
              }
              location / {
                return 404;
              }
            }

            # On the workspace's own host, as it is.
            server {
              listen 8080;
              server_name ${var.slug}.${local.labs_name};

              set $door "${var.door_url}";
              location = /-/door {
                internal;
                if ($nameless) {
                  return 401;
                }
                error_page 502 504 = @kept;
                proxy_pass $door/-/door/check/$host_kind/${var.slug};
                proxy_method GET;
                proxy_pass_request_headers off;
                proxy_pass_request_body off;
                proxy_set_header X-Bothy-Pass $passes;
                proxy_set_header X-Bothy-Browser $browser;
                proxy_set_header Connection "";
                proxy_buffering on;
                # All of it in less than the second that Fabio gives a WebSocket's handshake.
                proxy_connect_timeout 250ms;
                proxy_send_timeout 100ms;
                proxy_read_timeout 400ms;
                proxy_cache door;
                proxy_cache_key $pid:$host_kind:$browser:$passes;
                proxy_cache_valid 204 5s;
                proxy_cache_valid 401 403 1s;
                proxy_cache_use_stale error timeout invalid_header http_500 http_502 http_503 http_504;
                proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
              }
              # A name that is nobody's just now is as a door that is away, but NGINX takes
              # what is stale only once it has tried to connect: here, to nothing.
              location @kept {
                proxy_pass http://unix:{{ env "NOMAD_TASK_DIR" }}/nobody;
                proxy_pass_request_headers off;
                proxy_pass_request_body off;
                proxy_buffering on;
                proxy_cache door;
                proxy_cache_key $pid:$host_kind:$browser:$passes;
                proxy_cache_use_stale error;
              }
              location = /-/enter {
                if ($door = "") {
                  return 404;
                }
                error_page 502 504 = @away;
                proxy_pass $door/-/door/enter/$host_kind/${var.slug}$is_args$args;
                proxy_pass_request_body off;
                proxy_set_header X-Bothy-Pass $passes;
                proxy_set_header X-Bothy-Browser $browser;
                proxy_pass_header Clear-Site-Data;
                proxy_set_header Cookie $http_cookie; # what was planted is removed here
                proxy_buffer_size 32k; # by a header for each
                proxy_buffers 8 32k; # NGINX wants them no smaller
                proxy_set_header Content-Length "";
                proxy_set_header Connection "";
                proxy_buffering on;
                proxy_redirect off;
                proxy_connect_timeout 2s;
                proxy_read_timeout 10s;
              }
              location @sign_in {
                add_header Cache-Control no-store always;
                if ($is_page = "") {
                  return 401;
                }
                ${local.entrance};
              }
              location @refused {
                default_type "text/html; charset=utf-8";
                add_header Cache-Control no-store always;
                add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" always;
                return 403 '${local.page}${local.refused}';
              }
              location @away {
                default_type "text/html; charset=utf-8";
                add_header Cache-Control no-store always;
                add_header Retry-After 2 always;
                add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" always;
                return 503 '${local.page}${local.away}';
              }

              location / {
                if ($foreign) {
                  return 403;
                }
                error_page 401 = @sign_in;
                error_page 403 = @refused;
                error_page 500 = @away;
                auth_request ${local.door};
                proxy_pass http://workspace;
              }
            }
          }
        EOT
      }

      resources {
        cpu    = 50
        memory = 48
      }

      logs {
        max_files     = 2
        max_file_size = 5
      }
    }
  }
}
