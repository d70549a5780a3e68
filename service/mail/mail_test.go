package mail_test

import (
	"bufio"
	"fmt"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/lab"
	bothymail "github.com/bothylabs/bothy/service/mail"
)

var letter = lab.Mail{Name: "Ada Łovelace", To: "ada@example.org", Subject: "Choose a päßword", Text: "Hello Ada,\n\nthis is a text with ł.\n.\nEnd\n"}

// server is an SMTP server of so many words as the test needs: it keeps what is
// sent, and refuses a recipient or a mail with the answer given.
type server struct {
	net.Listener
	refuse map[string]string
	mails  chan string
}

func newServer(t *testing.T, refuse map[string]string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{l, refuse, make(chan string, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
				return
			}
			s.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return s
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	say := func(line string) { fmt.Fprint(conn, line+"\r\n") }
	say("220 test")
	for in.Scan() {
		verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " ")
		verb, _, _ = strings.Cut(verb, ":")
		if answer := s.refuse[verb]; answer != "" {
			say(answer)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-test\r\n250 8BITMIME")
		case "DATA":
			say("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			s.mails <- mail.String()
			say("250 ok")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) sender(t *testing.T, security string) *bothymail.Sender {
	t.Helper()
	sender, err := bothymail.New(bothymail.Config{Address: s.Addr().String(), Security: security, From: "Bothy <bothy@example.org>"})
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func TestAMailReachesTheServer(t *testing.T) {
	s := newServer(t, nil)
	if err := s.sender(t, bothymail.Open).Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	got, err := mail.ReadMessage(strings.NewReader(<-s.mails))
	if err != nil {
		t.Fatal(err)
	}
	if got.Header.Get("From") != `"Bothy" <bothy@example.org>` || !strings.Contains(got.Header.Get("To"), "<ada@example.org>") ||
		got.Header.Get("Auto-Submitted") != "auto-generated" || got.Header.Get("Message-Id") == "" || got.Header.Get("Date") == "" {
		t.Errorf("got %v", got.Header)
	}
}

func TestWhatTheServerRefusesForGoodIsTold(t *testing.T) {
	for answer, code := range map[string]lab.Code{"550 no such user": lab.CodeRefused, "451 later": lab.CodeUnavailable} {
		s := newServer(t, map[string]string{"RCPT": answer})
		if err := s.sender(t, bothymail.Open).Send(t.Context(), letter); lab.CodeOf(err) != code {
			t.Errorf("%s: got %v", answer, err)
		}
	}
}

func TestWithoutTLSNothingIsSentThatWantsIt(t *testing.T) {
	s := newServer(t, nil)
	if err := s.sender(t, bothymail.StartTLS).Send(t.Context(), letter); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	select {
	case got := <-s.mails:
		t.Errorf("it was sent in the open: %s", got)
	default:
	}
}

func TestAServerThatIsAwayIsUnavailable(t *testing.T) {
	s := newServer(t, nil)
	sender := s.sender(t, bothymail.Open)
	_ = s.Close()
	if err := sender.Send(t.Context(), letter); lab.CodeOf(err) != lab.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestAFolderTakesMailsForTheirOwnerAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "mail")
	at := time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	sender, err := bothymail.New(bothymail.Config{Folder: folder, From: "bothy@example.org", Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sender.Send(t.Context(), letter); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "20260901T080000.000000Z-*.eml"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil || !strings.Contains(string(text), "Hello Ada,") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestALineEndInANameIsNoHeader(t *testing.T) {
	folder := t.TempDir()
	sender, err := bothymail.New(bothymail.Config{Folder: folder, From: "bothy@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	bad := letter
	bad.Name, bad.Subject = "Ada\r\nBcc: eve@example.org", "Hello\r\nBcc: eve@example.org"
	if err := sender.Send(t.Context(), bad); err != nil {
		return // refused is as good
	}
	files, _ := filepath.Glob(filepath.Join(folder, "*.eml"))
	file, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := mail.ReadMessage(file)
	if err != nil || got.Header.Get("Bcc") != "" {
		t.Errorf("%v: %v", err, got.Header)
	}
}

func TestAnUnusableSenderIsRefused(t *testing.T) {
	for field, cfg := range map[string]bothymail.Config{
		"mail.from": {Folder: "x", From: "nobody"}, "mail.address": {Address: "no-port", From: "a@b.c"},
	} {
		_, err := bothymail.New(cfg)
		if lab.CodeOf(err) != lab.CodeInvalid || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
