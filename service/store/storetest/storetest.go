// Package storetest gives tests a real PostgreSQL: one server for each test
// binary, started at the first use, in a folder of its own and reached by a
// socket there, and a new database for each test.
//
//	var server storetest.Server
//
//	func TestMain(m *testing.M) { os.Exit(server.Run(m.Run)) }
//
//	func TestSomething(t *testing.T) {
//		dsn := server.Database(t)
//		…
//	}
package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

const (
	// startLimit bounds the making and starting of a server, and its end. Where
	// PostgreSQL must be installed first, that comes before.
	startLimit = time.Minute
	superuser  = "tests"
	// template is the database that new ones are copies of.
	template = "prepared"
	// empty is what a database without a schema is made of. Its language sorts text
	// in another order than that of its bytes: nothing may depend on the server's.
	empty = "template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
)

// Server is a PostgreSQL that starts at the first use. The zero value is ready;
// Run ends what was started.
type Server struct {
	// Prepare, where set, fills the database that each test's is a copy of: a
	// schema is made once, not for each test.
	Prepare func(ctx context.Context, dsn string) error

	once sync.Once
	err  error

	mu        sync.Mutex // CREATE DATABASE … TEMPLATE runs alone
	databases int
	process   *process
	admin     *sql.DB
}

// process is a running server.
type process struct {
	dir      string
	password string
	cmd      *exec.Cmd
	// ended is closed when the process has, with err before it.
	ended chan struct{}
	err   error
}

// Run runs the tests and then ends the server; it gives the exit code for os.Exit.
func (s *Server) Run(tests func() (code int)) (code int) {
	code = tests()
	if err := s.stop(); err != nil {
		fmt.Fprintf(os.Stderr, "end PostgreSQL: %v\n", err)
		return max(code, 1)
	}
	return code
}

// Database makes a database that ends with the test, and gives its URL. A machine
// without PostgreSQL fails the test and says what to install.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.database(t, template)
}

// Empty is Database without what Prepare does.
func (s *Server) Empty(t testing.TB) string {
	t.Helper()
	return s.database(t, empty)
}

func (s *Server) database(t testing.TB, from string) string {
	t.Helper()
	s.once.Do(func() { s.err = s.start() })
	if s.err != nil {
		t.Fatalf("start PostgreSQL: %v", s.err)
	}
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test%d", s.databases)
	_, err := s.admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+from)
	s.mu.Unlock()
	if err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		// FORCE: a test that failed may have left connections.
		if _, err := s.admin.ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
	})
	return s.process.dsn(name)
}

// dsn is the URL of a database of the server.
func (p *process) dsn(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(superuser, p.password), Path: "/" + database,
		RawQuery: url.Values{"host": {p.dir}, "connect_timeout": {"10"}}.Encode(),
	}
	return u.String()
}

func (s *Server) start() error {
	// No test's own context: the server outlives the test that needed it first.
	paths, err := toolchain.Ensure(context.Background(), toolchain.Config{Report: installing()}, toolchain.Postgres)
	if err != nil {
		return fmt.Errorf("find PostgreSQL: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	p, err := newProcess(ctx, paths.Postgres)
	if err != nil {
		return err
	}
	s.process = p
	s.admin, err = p.connect(ctx)
	if err == nil {
		err = s.prepare(ctx)
	}
	if err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

// installing tells of an installation, and nothing where all is there.
func installing() toolchain.Reporter {
	tell := toolchain.TextReporter(os.Stderr)
	return func(e toolchain.Event) {
		if e.Kind != toolchain.Found {
			tell(e)
		}
	}
}

func (s *Server) prepare(ctx context.Context) error {
	if _, err := s.admin.ExecContext(ctx, "CREATE DATABASE "+template+" TEMPLATE "+empty); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if s.Prepare == nil {
		return nil
	}
	if err := s.Prepare(ctx, s.process.dsn(template)); err != nil {
		return fmt.Errorf("fill the template: %w", err)
	}
	return nil
}

func (s *Server) stop() error {
	if s.process == nil {
		return nil
	}
	var err error
	if s.admin != nil {
		err = s.admin.Close()
	}
	return errors.Join(err, s.process.stop())
}

// newProcess makes a database cluster in a new folder and starts a server on it.
func newProcess(ctx context.Context, programs string) (_ *process, err error) {
	dir, err := os.MkdirTemp("", "bothy-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	p := &process{dir: dir, password: "not-a-secret"}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	credential, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if credential != nil {
		if err := os.Chown(dir, int(credential.Uid), int(credential.Gid)); err != nil {
			return nil, fmt.Errorf("give the folder to the server's user: %w", err)
		}
	}
	if err := p.initialize(ctx, programs, credential); err != nil {
		return nil, err
	}
	return p, p.run(programs, credential) //nolint:contextcheck // the server outlives its start
}

// unprivileged is the user that the server runs as, since it refuses root; nil is our own.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("read the user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
}

func (p *process) data() string { return filepath.Join(p.dir, "data") }

func (p *process) initialize(ctx context.Context, programs string, credential *syscall.Credential) error {
	// The password is asked for, so that tests see what a wrong one does.
	password := filepath.Join(p.dir, "password")
	if err := p.write(password, p.password+"\n", credential); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "--pgdata", p.data(), "--username", superuser,
		"--pwfile", password, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// write makes a file that the server's user owns.
func (p *process) write(path, text string, credential *syscall.Credential) error {
	err := os.WriteFile(path, []byte(text), 0o600)
	if err == nil && credential != nil {
		err = os.Chown(path, int(credential.Uid), int(credential.Gid))
	}
	if err != nil {
		return fmt.Errorf("write a file of the server: %w", err)
	}
	return nil
}

func (p *process) run(programs string, credential *syscall.Credential) error {
	log, err := os.Create(filepath.Join(p.dir, "log"))
	if err != nil {
		return fmt.Errorf("make the log: %w", err)
	}
	// Nothing of a test needs to survive a power cut. How PostgreSQL reads is a matter
	// of what it knows of its tables: tests that look at that say when it learns it.
	p.cmd = exec.CommandContext(context.Background(), filepath.Join(programs, "postgres"), "-D", p.data(),
		"-c", "listen_addresses=", "-c", "unix_socket_directories="+p.dir,
		"-c", "autovacuum=off", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=400", "-c", "shared_buffers=64MB", "-c", "log_min_messages=warning")
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, log, log
	// A group of its own: Ctrl-C at the tests is not for the server, which they end
	// themselves. Should they be killed, the kernel ends it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	p.ended = make(chan struct{})
	started := make(chan error, 1)
	go func() {
		// The kernel takes the end of the starting thread for that of the tests.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		_ = log.Close() // the server wrote to it, not we
		close(p.ended)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	return nil
}

// connect waits until the server answers.
func (p *process) connect(ctx context.Context) (*sql.DB, error) {
	made, err := pq.NewConnector(p.dsn("postgres"))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	db := sql.OpenDB(made)
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return db, nil
		}
		select {
		case <-p.ended:
			log, _ := os.ReadFile(filepath.Join(p.dir, "log")) // best effort: its words are only for people
			return nil, errors.Join(fmt.Errorf("the server ended: %w\n%s", p.err, log), db.Close())
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("the server does not answer: %w", err), db.Close())
		case <-time.After(20 * time.Millisecond): // it has no signal of its own
		}
	}
}

// stop ends the server and removes what it wrote.
func (p *process) stop() error {
	timer := time.NewTimer(startLimit)
	defer timer.Stop()
	// SIGINT throws clients out and ends in order.
	err := p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.ended:
	case <-timer.C:
		err = errors.Join(err, errors.New("it did not end in time and was killed"), p.cmd.Process.Kill())
		<-p.ended
	}
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}
