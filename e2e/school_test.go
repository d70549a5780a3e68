package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/client"
	"github.com/bothylabs/bothy/service/dev/stack"
	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// schoolAddress is the one address that a school is on the internet.
var schoolAddress = netip.MustParseAddr("203.0.113.7")

// fromSomewhere is the school for three of five, and an address of their own for the others.
func fromSomewhere(p pupil) netip.Addr {
	if p.number%5 < 3 {
		return schoolAddress
	}
	return netip.AddrFrom4([4]byte{198, 51, byte(100 + p.number/256), byte(p.number)})
}

// A pupil is a student who has chosen a password.
type pupil struct {
	number                      int
	name, login, user, password string
}

// A school is a `bothy server` on a stack of its own, with 500 students in whose way
// nothing is any more: they came by a roster, were invited by mail, signed in with the
// temporary password and chose another, all as people do it.
type school struct {
	base, vault string
	pupils      []pupil
	api         *client.Client
	// client asks Vault, over as many connections as Bothy's own does.
	client *http.Client
	mails  string
}

func openSchool(b *testing.B) *school {
	b.Helper()
	root, bothy := build(b)
	paths, err := toolchain.Ensure(b.Context(), toolchain.Config{SourceDir: root, Report: toolchain.TextReporter(os.Stderr)},
		toolchain.Nomad, toolchain.Consul, toolchain.Vault, toolchain.Fabio, toolchain.CNI, toolchain.Iptables, toolchain.Nftables)
	if err != nil {
		b.Fatal(err)
	}
	offset, err := freeOffset(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	stacked, err := stack.Start(b.Context(), stack.Config{
		Dir: filepath.Join(b.TempDir(), "dev"), Router: stack.Fabio,
		Binaries: stack.Binaries{Nomad: paths.Nomad, Consul: paths.Consul, Vault: paths.Vault, Fabio: paths.Fabio, CNIDir: paths.CNI},
	}.Offset(offset))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := stacked.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	env := stacked.Env()
	s := &school{vault: env.VaultAddr, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: patience}}
	s.serve(b, bothy, env)
	s.enroll(b)
	began := time.Now()
	s.inviteAll(b)
	b.Logf("%d students were invited in %s", len(s.pupils), time.Since(began).Round(time.Second))
	began = time.Now()
	s.arrive(b)
	b.Logf("%d students chose a password in %s", len(s.pupils), time.Since(began).Round(time.Second))
	return s
}

// serve runs the server until the benchmark ends.
func (s *school) serve(b *testing.B, bothy string, env stack.Env) {
	b.Helper()
	dir := b.TempDir()
	s.mails = filepath.Join(dir, "mail")
	port, err := freePort(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	token := rand.Text()
	files := map[string]string{"api": token, "nomad": env.Bothy.Nomad.Reveal(), "consul": env.Bothy.Consul.Reveal(), "vault": env.VaultSecretID.Reveal()}
	for name, text := range files {
		files[name] = filepath.Join(dir, name+".token")
		if err := os.WriteFile(files[name], []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	var config bytes.Buffer
	fmt.Fprintf(&config, `
listen      = "127.0.0.1:%[1]d"
console_url = "http://bothy.localhost:%[1]d"
data_dir    = %[2]q
api {
  token_file      = %[3]q
  trusted_proxies = ["127.0.0.1"] # the benchmark says from where its visitors come
}
nomad {
  address    = %[4]q
  token_file = %[5]q
}
consul {
  address    = %[6]q
  token_file = %[7]q
}
vault {
  address = %[8]q
  app_role {
    role_id        = %[9]q
    secret_id_file = %[10]q
  }
}
door {
  listen   = "127.0.0.1:0"
  register = false
}
mail {
  folder     = %[11]q
  from       = "Bothy <bothy@example.edu>"
  per_minute = 6000
}
reconcile {
  lock = "none"
}
`, port, dir, files["api"], env.NomadAddr, files["nomad"], env.ConsulAddr, files["consul"], env.VaultAddr, env.VaultRoleID, files["vault"], s.mails)
	file := filepath.Join(dir, "bothy.hcl")
	if err := os.WriteFile(file, config.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	out := newTranscript()
	cmd := exec.Command(bothy, "server", "-config", file)
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, []string{"PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait() // how it ended, its log says
		if b.Failed() {
			b.Logf("the server's last lines:\n%s", lastLines(out.String(), 40))
		}
	})
	s.base = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if s.api, err = client.New(s.base, token); err != nil {
		b.Fatal(err)
	}
	s.until(b, "the server answers", func(ctx context.Context) error {
		_, err := s.api.Status(ctx)
		return err
	})
}

// enroll puts everybody into a cohort, by a roster.
func (s *school) enroll(b *testing.B) {
	b.Helper()
	if _, err := s.api.CreateCohort(b.Context(), client.CohortInput{Name: "Fall 26"}); err != nil {
		b.Fatal(err)
	}
	var roster strings.Builder
	roster.WriteString("name,email\n")
	for i := range pupils {
		p := pupil{number: i, name: fmt.Sprintf("Pupil Number%03d", i), login: fmt.Sprintf("p%03d@example.edu", i), password: "chosen by " + rand.Text()}
		s.pupils = append(s.pupils, p)
		fmt.Fprintf(&roster, "%s,%s\n", p.name, p.login)
	}
	if _, err := s.api.ImportRoster(b.Context(), "fall-26", strings.NewReader(roster.String()), client.RosterOptions{}); err != nil {
		b.Fatal(err)
	}
	users, err := s.api.Users(b.Context(), client.UserFilter{})
	if err != nil {
		b.Fatal(err)
	}
	ids := map[string]string{}
	for _, u := range users {
		ids[u.Login] = u.ID
	}
	for i, p := range s.pupils {
		if s.pupils[i].user = ids[p.login]; s.pupils[i].user == "" {
			b.Fatalf("%s is no user", p.login)
		}
	}
}

// inviteAll waits until everybody has a mail, and Bothy knows it.
func (s *school) inviteAll(b *testing.B) {
	b.Helper()
	s.until(b, "everybody has a mail", func(context.Context) error {
		mails, err := filepath.Glob(filepath.Join(s.mails, "*.eml"))
		if err == nil && len(mails) < pupils {
			err = fmt.Errorf("there are %d of %d", len(mails), pupils)
		}
		return err
	})
	s.until(b, "everybody is invited", func(ctx context.Context) error {
		users, err := s.api.Users(ctx, client.UserFilter{})
		if err != nil {
			return err
		}
		for _, u := range users {
			if u.Password == "none" {
				return errors.New(u.Login + " is not")
			}
		}
		return nil
	})
}

// arrive lets everybody sign in with their temporary password, and choose their own.
func (s *school) arrive(b *testing.B) {
	b.Helper()
	temporary := s.invitations(b)
	todo := make(chan pupil)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for p := range todo {
				if err := s.first(b.Context(), p, temporary[p.login]); err != nil {
					b.Errorf("%s: %v", p.login, err)
				}
			}
		})
	}
	for _, p := range s.pupils {
		todo <- p
	}
	close(todo)
	group.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// invitations gives the temporary passwords that were mailed, by login.
func (s *school) invitations(b *testing.B) map[string]string {
	b.Helper()
	mails, err := filepath.Glob(filepath.Join(s.mails, "*.eml"))
	if err != nil {
		b.Fatal(err)
	}
	passwords := map[string]string{}
	for _, name := range mails {
		text, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		if found := invited.FindStringSubmatch(strings.ReplaceAll(string(text), "\r", "")); found != nil {
			passwords[found[1]] = found[2]
		}
	}
	return passwords
}

func (s *school) first(ctx context.Context, p pupil, temporary string) error {
	browser, err := s.visit(fromSomewhere(p))
	if err != nil {
		return err
	}
	defer browser.close()
	to, err := browser.submit(ctx, "/sign-in", url.Values{"login": {p.login}, "password": {temporary}, "to": {"/"}})
	if err != nil {
		return err
	}
	if !strings.HasPrefix(to, "/password?") {
		return fmt.Errorf("led to %q, not to a page to choose a password", to)
	}
	_, err = browser.submit(ctx, "/password", url.Values{"present": {temporary}, "password": {p.password}, "again": {p.password}, "to": {"/"}})
	return err
}

// until waits for something for some minutes.
func (s *school) until(b *testing.B, what string, check func(context.Context) error) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	if err := poll(ctx, check); err != nil {
		b.Fatalf("%s: %v", what, err)
	}
}
