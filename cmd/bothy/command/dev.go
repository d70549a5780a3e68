package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/dev"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
	"github.com/bothylabs/bothy/service/lab"
)

// demoTimeout is how long the demo class may take before the summary is shown all the same.
const demoTimeout = 5 * time.Minute

// devCommand is `bothy dev`.
type devCommand struct {
	env    *Env
	config dev.Config
	// programs are those that flags name.
	programs map[toolchain.Tool]*string
	dynamic  string
}

func (*devCommand) doc() doc {
	return doc{
		synopsis: "Run a complete stack with a demo class on this machine",
		text: `
Starts Consul, Vault, Nomad and a router with access control on, and Bothy
beside them, then launches a demo class of three students. What is missing on a
Debian machine is installed first, and the servers are built once from the
versions that the source tree pins; it says what it does before it does it. It
needs root, Go, and Node 20 or newer. Everything listens on loopback only.

An admin, an instructor who has the demo class, and its students can sign in at
once, each with a random password of their own. At a terminal the passwords are
shown; a pipe gets none of them. They are also in passwords in the folder of all
state, for its owner alone, and stay the same until -reset.

Templates for Docker run where an engine does: at its usual socket, or at the
one that DOCKER_HOST names.

State lives in .dev and survives: the next run brings back the same class with
its homes. An interrupt ends everything that was started; a second one does so
by force. After a kill, the next run clears what was left.
`,
		examples: []example{
			{"Run it", "bothy dev"},
			{"Begin again from nothing", "bothy dev -reset"},
			{"With Traefik instead of Fabio", "bothy dev -router=traefik"},
			{"Beside another one", "bothy dev -dir /tmp/second/.dev -offset 1000"},
		},
	}
}

func (c *devCommand) flags(f *flags) {
	c.programs = map[toolchain.Tool]*string{}
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&c.config.Stack.Dir, "dir", ".dev", "`Folder` of all state, logs and secrets.")
		set.StringVar((*string)(&c.config.Stack.Router), "router", string(stack.Fabio), "`Program` that leads visitors to workspaces: fabio or traefik. It may be another one at each run.")
		set.BoolVar(&c.config.Reset, "reset", false, "Remove all state first: classes, homes, everything.")
		set.StringVar(&c.config.LogLevel, "log-level", "info", "`Level` of the servers' logs: debug, info, warn or error.")
		set.StringVar(&c.config.Toolchain.SourceDir, "source", "", "`Folder` of Bothy's source, which pins the servers. Default: found around the working directory.")
		set.StringVar(&c.config.Toolchain.CacheDir, "cache", "", "`Folder` for what is built. Also by BOTHY_CACHE. Default: bothy in the user's cache.")
	})
	f.group("Ports and network", func(set *flag.FlagSet) {
		p := &c.config.Stack.Ports
		set.IntVar(&c.config.Port, "http-port", 0, "`Port` of Bothy's console and API (default 8080).")
		set.IntVar(&c.config.SchoolPort, "school-port", 0, "`Port` of the school whose people sign in by OpenID Connect (default 8090).")
		d := stack.DefaultPorts()
		for _, one := range []struct {
			name, what string
			port       *int
			usual      int
		}{
			{"labs-port", "the workspaces (the router)", &p.Labs, d.Labs},
			{"router-ui-port", "Fabio's UI or Traefik's API", &p.RouterUI, d.RouterUI},
			{"nomad-port", "Nomad's API and UI", &p.NomadHTTP, d.NomadHTTP},
			{"nomad-rpc-port", "Nomad's server RPC", &p.NomadRPC, d.NomadRPC},
			{"nomad-serf-port", "Nomad's gossip", &p.NomadSerf, d.NomadSerf},
			{"consul-port", "Consul's API and UI", &p.ConsulHTTP, d.ConsulHTTP},
			{"consul-rpc-port", "Consul's server RPC", &p.ConsulRPC, d.ConsulRPC},
			{"consul-serf-port", "Consul's gossip", &p.ConsulSerf, d.ConsulSerf},
			{"vault-port", "Vault's API and UI", &p.VaultHTTP, d.VaultHTTP},
			{"vault-cluster-port", "Vault's cluster traffic", &p.VaultCluster, d.VaultCluster},
		} {
			set.IntVar(one.port, one.name, 0, fmt.Sprintf("`Port` of %s (default %d).", one.what, one.usual))
		}
		set.StringVar(&c.dynamic, "dynamic-ports", "", fmt.Sprintf("`Range` of ports that Nomad gives to workspaces (default %d-%d).", d.DynamicMin, d.DynamicMax))
		set.StringVar(&c.config.Stack.BridgeName, "bridge", "", "`Name` of the network bridge of the workspaces (default bothy0).")
		set.StringVar(&c.config.Stack.BridgeSubnet, "bridge-subnet", "", "IPv4 `network` of that bridge (default 172.26.64.0/20).")
		set.IntVar(&c.config.Offset, "offset", 0, "`Number` to add to every port, with a bridge of its own: a multiple of 1000 up to 9000, for a second stack beside another.")
	})
	f.group("Programs to use instead of those on PATH or in the cache", func(set *flag.FlagSet) {
		for _, tool := range []toolchain.Tool{toolchain.Nomad, toolchain.Consul, toolchain.Vault, toolchain.Fabio, toolchain.Traefik, toolchain.NGINX, toolchain.CNI, toolchain.CodeServer, toolchain.Node} {
			c.programs[tool] = set.String(string(tool), "", "`Path` of "+string(tool)+".")
		}
	})
}

func (c *devCommand) run(ctx context.Context, _ []string) error {
	if err := c.complete(); err != nil {
		return err
	}
	// Whoever reads the output may be gone first, as in "bothy dev | tee log" and
	// an interrupt; what was started must be ended all the same.
	signal.Ignore(syscall.SIGPIPE)
	running, err := dev.Start(ctx, c.force, c.config)
	if err != nil {
		if errors.Is(err, dev.ErrInterrupted) {
			c.say("Interrupted; nothing is left running.")
			return reported{exitLocal}
		}
		return err
	}
	failed := c.attend(ctx, running)
	c.say("Ending Bothy, the router, Nomad, Vault and Consul; state stays in " + running.Addresses().Dir + ". A second interrupt ends them by force.")
	force, release := c.force()
	defer release()
	return errors.Join(failed, running.Stop(force)) //nolint:contextcheck // the run's own context has ended by now
}

// attend shows the demo class, and then waits until it is time to end.
func (c *devCommand) attend(ctx context.Context, running *dev.Dev) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	died := make(chan error, 1)
	go func() {
		died <- running.Wait(watching)
		cancel() // a part that dies ends the wait for the demo class
	}()
	c.demo(watching, running)
	return <-died
}

// demo waits for the demo class and prints the summary, however the wait ended.
func (c *devCommand) demo(ctx context.Context, running *dev.Dev) {
	workspaces, err := workspacesAwait{
		await: await{
			env: c.env, server: running.Client(), events: client.EventFilter{Class: dev.DemoClass},
			timeout: demoTimeout, what: dev.DemoClass, later: "bothy status -watch " + dev.DemoClass,
		},
		fetch: func(ctx context.Context) ([]client.Workspace, error) {
			all, err := running.Client().Workspaces(ctx, client.WorkspaceFilter{Class: dev.DemoClass})
			return wanted(all), err
		},
	}.run(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		c.env.report(err)
	}
	c.summary(running.Addresses(), running.People(), workspaces)
}

// wanted leaves out what people have stopped or deleted.
func wanted(all []client.Workspace) []client.Workspace {
	var some []client.Workspace
	for _, w := range all {
		if lab.Desired(w.Desired) == lab.DesiredRunning {
			some = append(some, w)
		}
	}
	return some
}

// summary says who signs in where, and where everything else is.
func (c *devCommand) summary(a dev.Addresses, people []dev.Person, workspaces []client.Workspace) {
	t := newTable("Console and API", a.Console+"  (for programs "+a.API+")")
	t.add("Nomad, Consul", a.Nomad+"  "+a.Consul)
	t.add("Vault, "+string(a.RouterName), a.Vault+"  "+a.Router)
	t.add("Mail", a.Mail+"  (invitations of those whom you enroll)")
	t.add("Single sign-on", "as chidi, dora (a student), grace (an instructor) or eve (nobody), with the password in "+a.SchoolPassword)
	t.add("In a shell", ". "+a.EnvFile+"  then, for example: bothy status -watch")
	t.add("Logs", a.Logs)
	c.say("\n" + t.String() + "\n\n" + c.whoSignsIn(a, people, workspaces) +
		"\n\nCtrl-C ends everything; the class and its homes come back at the next start.")
}

// whoSignsIn lists the demo's people with their passwords and what they open. What is
// no terminal may be a log, which passwords have no place in.
func (c *devCommand) whoSignsIn(a dev.Addresses, people []dev.Person, workspaces []client.Workspace) string {
	s := c.env.style()
	head := "Sign in at " + a.Console + " as one of these:"
	if !c.env.OutTerminal {
		head = "Sign in at " + a.Console + " as one of these, with the passwords in " + a.PasswordsFile + ":"
	}
	t := &table{}
	add := func(login, password, what string, paint func(string) string) {
		if !c.env.OutTerminal {
			t.add("  "+login, what)
		} else {
			t.add("  "+login, password, what)
		}
		if paint != nil {
			t.paint(len(t.rows[len(t.rows)-1])-1, paint)
		}
	}
	of := map[string]client.Workspace{}
	for _, w := range workspaces {
		of[strings.ToLower(w.Student.Email)] = w
	}
	for _, p := range people {
		password := p.Password.Reveal()
		if password == "" {
			password = "(another by now)"
		}
		w, has := of[strings.ToLower(p.Login)]
		delete(of, strings.ToLower(p.Login))
		switch {
		case has:
			add(p.Login, password, opens(a, w), s.phase(w.Phase))
		case p.Role == lab.RoleInstructor:
			add(p.Login, password, "instructor of "+dev.DemoClass+": opens the students' workspaces too", nil)
		default:
			add(p.Login, password, string(p.Role), nil)
		}
	}
	for _, w := range workspaces {
		if _, left := of[strings.ToLower(w.Student.Email)]; left {
			add(w.Student.Email, "(by mail)", opens(a, w), s.phase(w.Phase))
		}
	}
	return head + "\n" + t.String()
}

// opens is the address of a workspace for whoever may open it, or why it can't be opened.
func opens(a dev.Addresses, w client.Workspace) string {
	if lab.Phase(w.Phase) != lab.PhaseReady {
		return string(w.Phase) + ": " + w.Reason
	}
	return a.Console + "/open/" + w.Slug
}

func (c *devCommand) say(line string) { c.env.UI.Output(line) }

// complete takes the flags into the configuration.
func (c *devCommand) complete() error {
	if c.dynamic != "" {
		low, high, ok := strings.Cut(c.dynamic, "-")
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if !ok || err1 != nil || err2 != nil {
			return usagef("-dynamic-ports: write it as 20000-25999")
		}
		c.config.Stack.Ports.DynamicMin, c.config.Stack.Ports.DynamicMax = from, to
	}
	c.config.Stack.LogLevel = c.config.LogLevel
	if host := c.env.getenv("DOCKER_HOST"); host != "" {
		if path, local := strings.CutPrefix(host, "unix://"); local {
			c.config.Stack.DockerSocket = path
		} else {
			c.say("DOCKER_HOST names no socket of this machine, and is not used.")
		}
	}
	c.config.Version = c.env.Version
	c.config.Report = c.say
	c.config.Toolchain.Overrides = map[toolchain.Tool]string{}
	for tool, path := range c.programs {
		if *path != "" {
			c.config.Toolchain.Overrides[tool] = *path
		}
	}
	return nil
}

// force gives a context that ends when the person interrupts once more.
func (c *devCommand) force() (context.Context, context.CancelFunc) { return c.env.Interruptible() }
