package toolchain

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/google/go-cmp/cmp"
)

var packaged = []Tool{NGINX, CNI, Iptables, Nftables, Ripgrep}

// aptInstalls makes the fake apt-get install the packages.
func (b *bench) aptInstalls() {
	b.host.runs["apt-get"] = func(c command) error {
		if slices.Contains(c.Args, "install") && !slices.Contains(c.Args, "--download-only") {
			b.host.installAll("nginx", "iptables", "nft", "rg")
			b.host.installCNI()
		}
		return nil
	}
}

func TestInstalledPackagesAreFoundWherePeoplePutThem(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.installAll("nginx", "iptables", "nft", "rg")
	for _, plugin := range []string{"bridge", "firewall", "host-local", "loopback", "portmap"} {
		b.host.files["/opt/cni/bin/"+plugin] = ""
	}
	paths, err := b.ensure(t.Context(), packaged)
	if err != nil {
		t.Fatal(err)
	}
	want := Paths{NGINX: "/usr/bin/nginx", CNI: "/opt/cni/bin", Iptables: "/usr/bin/iptables", Nftables: "/usr/bin/nft", Ripgrep: "/usr/bin/rg"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	if b.host.didRun("apt-get") {
		t.Error("ran apt-get with nothing missing")
	}
}

func TestMissingPackagesAreToldThenInstalledAtOnce(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.install("iptables")
	b.aptInstalls()
	install := b.host.runs["apt-get"]
	b.host.runs["apt-get"] = func(c command) error {
		if !b.said(Started, "", "nginx-light: the proxy in front of each workspace") {
			t.Errorf("apt-get ran before anything was said: %+v", b.events)
		}
		if !slices.Contains(c.Env, "DEBIAN_FRONTEND=noninteractive") {
			t.Error("apt-get may ask questions")
		}
		return install(c)
	}
	paths, err := b.ensure(t.Context(), packaged)
	if err != nil {
		t.Fatal(err)
	}
	want := Paths{NGINX: "/usr/bin/nginx", CNI: "/usr/lib/cni", Iptables: "/usr/bin/iptables", Nftables: "/usr/bin/nft", Ripgrep: "/usr/bin/rg"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	if !b.host.didRun("install -y --no-install-recommends nginx-light containernetworking-plugins nftables ripgrep") {
		t.Errorf("not what is missing, or not only that: %v", b.host.ran)
	}
	if b.host.didRun("update") {
		t.Error("updated lists that were good")
	}
}

func TestStalePackageListsAreUpdated(t *testing.T) {
	b := newBench(t, bareDebian())
	b.aptInstalls()
	install := b.host.runs["apt-get"]
	updated := false
	b.host.runs["apt-get"] = func(c command) error {
		updated = updated || slices.Contains(c.Args, "update")
		if !updated {
			return &runError{command: c.String(), cause: errors.New("exit status 100"), tail: []string{"E: Unable to locate package nginx-light"}}
		}
		return install(c)
	}
	if _, err := b.ensure(t.Context(), packaged); err != nil {
		t.Fatal(err)
	}
	if n := b.host.countRuns("update"); n != 1 {
		t.Errorf("%d updates, want 1", n)
	}
}

func TestHeldLockOfAptIsWaitedFor(t *testing.T) {
	b := newBench(t, bareDebian())
	b.aptInstalls()
	install := b.host.runs["apt-get"]
	tries := 0
	b.host.runs["apt-get"] = func(c command) error {
		if tries++; tries < 4 {
			return &runError{command: c.String(), cause: errors.New("exit status 100"), tail: []string{"E: Could not get lock /var/lib/apt/lists/lock."}}
		}
		return install(c)
	}
	if _, err := b.ensure(t.Context(), packaged); err != nil {
		t.Fatal(err)
	}
	if !b.said(Note, "", "another process is using apt") {
		t.Error("the wait is not told")
	}
}

func TestPackagesThatCannotBeInstalledHere(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(*fakeHost)
		message string
		hint    string
	}{
		"not root": {
			func(h *fakeHost) { h.root = false },
			"nginx-light, containernetworking-plugins, iptables, nftables, ripgrep are missing, and only root",
			"sudo apt-get install -y --no-install-recommends nginx-light containernetworking-plugins iptables nftables ripgrep",
		},
		"not Debian": {
			func(h *fakeHost) { delete(h.programs, "apt-get") },
			"no apt-get", "iptables: the firewall rules",
		},
	} {
		b := newBench(t, bareDebian())
		test.arrange(b.host)
		_, err := b.ensure(t.Context(), packaged)
		var coded *lab.Error
		if !errors.As(err, &coded) || !strings.Contains(coded.Message, test.message) || !strings.Contains(coded.Hint, test.hint) {
			t.Errorf("%s: error %v", name, err)
		}
		if b.host.didRun("apt-get") {
			t.Errorf("%s: tried it all the same", name)
		}
	}
}

func TestFailedInstallationSaysWhatAptSaid(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.runs["apt-get"] = func(c command) error {
		return &runError{command: c.String(), cause: errors.New("exit status 100"), tail: []string{"E: You don't have enough free space"}}
	}
	_, err := b.ensure(t.Context(), packaged)
	if err == nil || !strings.Contains(err.Error(), "enough free space") {
		t.Errorf("error %v, want apt's reason", err)
	}
}

func TestSystemdIsKeptFromStartingNGINX(t *testing.T) {
	b := newBench(t, bareDebian())
	b.aptInstalls()
	b.host.says("systemctl", "")
	b.host.files["/run/systemd/system"] = ""
	b.host.files["/lib/systemd/system/nginx.service"] = ""
	if _, err := b.ensure(t.Context(), packaged); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, line := range b.host.ran {
		for _, step := range []string{"mask --runtime nginx", "install -y", "disable nginx", "unmask --runtime nginx"} {
			if strings.Contains(line, " "+step) && !strings.Contains(line, "--download-only") {
				order = append(order, step)
			}
		}
	}
	want := []string{"mask --runtime nginx", "install -y", "disable nginx", "unmask --runtime nginx"}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
}

func TestNGINXThatWasThereBeforeIsLeftAlone(t *testing.T) {
	b := newBench(t, bareDebian())
	b.aptInstalls()
	b.host.says("systemctl", "")
	b.host.install("nginx")
	b.host.files["/run/systemd/system"] = ""
	if _, err := b.ensure(t.Context(), packaged); err != nil {
		t.Fatal(err)
	}
	if b.host.didRun("systemctl") {
		t.Errorf("touched it: %v", b.host.ran)
	}
}

func TestTheNewestPostgresIsFoundAwayFromPath(t *testing.T) {
	b := newBench(t, bareDebian())
	for _, version := range []string{"13", "15"} {
		b.host.files["/usr/lib/postgresql/"+version+"/bin/initdb"] = ""
		b.host.files["/usr/lib/postgresql/"+version+"/bin/postgres"] = ""
	}
	b.host.files["/usr/lib/postgresql/17/bin/psql"] = "" // a client alone
	paths, err := b.ensure(t.Context(), []Tool{Postgres})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Paths{Postgres: "/usr/lib/postgresql/15/bin"}, paths); diff != "" {
		t.Error(diff)
	}
}

func TestPostgresIsInstalledAndItsServerKeptDown(t *testing.T) {
	b := newBench(t, bareDebian())
	b.host.says("systemctl", "")
	b.host.files["/run/systemd/system"] = ""
	b.host.runs["apt-get"] = func(c command) error {
		if !slices.Contains(c.Args, "--download-only") {
			b.host.files["/usr/lib/postgresql/15/bin/initdb"] = ""
			b.host.files["/usr/lib/postgresql/15/bin/postgres"] = ""
			b.host.files["/lib/systemd/system/postgresql.service"] = ""
		}
		return nil
	}
	if _, err := b.ensure(t.Context(), []Tool{Postgres}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"mask --runtime postgresql", "install -y --no-install-recommends postgresql", "disable postgresql", "unmask --runtime postgresql"} {
		if !b.host.didRun(step) {
			t.Errorf("%s is missing: %v", step, b.host.ran)
		}
	}

	b = newBench(t, bareDebian())
	b.host.root = false
	_, err := b.ensure(t.Context(), []Tool{Postgres})
	var coded *lab.Error
	if !errors.As(err, &coded) || !strings.Contains(coded.Hint, "sudo apt-get install -y --no-install-recommends postgresql") {
		t.Errorf("got %v", err)
	}
}

func TestACompilerIsInstalledOnlyForBuilding(t *testing.T) {
	h := bareDebian()
	delete(h.programs, "gcc")
	delete(h.files, "/usr/include/stdlib.h")
	b := newBench(t, h)
	b.builds()
	if _, err := b.ensure(t.Context(), []Tool{Nomad}); err != nil {
		t.Fatal(err)
	}
	if !h.didRun("install", "gcc libc6-dev") {
		t.Errorf("built without a compiler: %v", h.ran)
	}
	runs := h.countRuns("apt-get")
	if _, err := b.ensure(t.Context(), []Tool{Nomad}); err != nil || h.countRuns("apt-get") != runs {
		t.Errorf("installed again for what was built: %v, %v", err, h.ran)
	}
}
