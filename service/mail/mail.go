// Package mail sends mail by SMTP, or puts it into a folder where somebody who
// develops can read it.
package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/bothylabs/bothy/service/lab"
)

// How the connection to a server is secured.
const (
	// StartTLS begins in the open and goes on by TLS, or not at all.
	StartTLS = "starttls"
	// TLS is TLS from the beginning.
	TLS = "tls"
	// Open is for a server on the same machine.
	Open = "none"
)

// dialTimeout bounds the way to the server, and each of its answers.
const dialTimeout = 20 * time.Second

// Config says where mail goes: Address or Folder must be set.
type Config struct {
	// Address is the SMTP server's, host:port.
	Address string
	// Security is StartTLS, TLS or Open.
	Security string
	// Username is "" for a server that wants none. Password is asked for each mail.
	Username string
	Password func() (string, error)
	// TLS is nil for the usual settings; tests set it.
	TLS *tls.Config
	// From is the sender: "bothy@example.edu", or "Bothy <bothy@example.edu>".
	From string
	// Folder takes each mail as a file, in the place of a server.
	Folder string
	// Now may be set by tests.
	Now func() time.Time
}

// Sender sends mail.
type Sender struct {
	cfg        Config
	host, port string
}

// New makes a Sender; nothing is sent or asked yet. What can't be used is CodeInvalid.
func New(cfg Config) (*Sender, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Sender{cfg: cfg}
	if err := mail.NewMsg().From(cfg.From); err != nil {
		return nil, lab.Invalid("mail can't be sent", lab.Field{
			Name: "mail.from", Problem: fmt.Sprintf("%q is not an address", cfg.From), Remedy: `write it like "Bothy <bothy@example.edu>"`,
		})
	}
	if cfg.Folder != "" {
		return s, nil
	}
	var err error
	if s.host, s.port, err = net.SplitHostPort(cfg.Address); err != nil {
		return nil, lab.Invalid("mail can't be sent", lab.Field{
			Name: "mail.address", Problem: fmt.Sprintf("%q is not host:port", cfg.Address), Remedy: `write it like "smtp.example.edu:587"`,
		})
	}
	return s, nil
}

// Send sends a mail; it is the server's, or in the folder, when Send returns nil.
// CodeRefused when the server will never take it, CodeUnavailable for anything else.
func (s *Sender) Send(ctx context.Context, m lab.Mail) error {
	message, err := s.message(m)
	if err != nil {
		return err
	}
	if s.cfg.Folder != "" {
		return s.keep(message)
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		var failed *mail.SendError
		if errors.As(err, &failed) && !failed.IsTemp() && failed.ErrorCode() >= 500 {
			return lab.Wrap(lab.CodeRefused, err, "the mail server does not take the mail")
		}
		return lab.Wrap(lab.CodeUnavailable, err, "the mail server can't be reached or does not do its work")
	}
	return nil
}

func (s *Sender) message(m lab.Mail) (*mail.Msg, error) {
	message := mail.NewMsg()
	if err := message.From(s.cfg.From); err != nil {
		return nil, fmt.Errorf("write the sender: %w", err)
	}
	if err := message.AddToFormat(m.Name, m.To); err != nil {
		return nil, lab.Wrap(lab.CodeRefused, err, "this is no address that mail can be sent to")
	}
	message.Subject(m.Subject)
	message.SetDateWithValue(s.cfg.Now())
	message.SetMessageID()
	// Programs that answer mails by themselves leave these alone (RFC 3834).
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	if s.cfg.Folder != "" {
		message.SetEncoding(mail.NoEncoding) // no program decodes these: people read the files as they are
	}
	message.SetBodyString(mail.TypeTextPlain, m.Text)
	return message, nil
}

func (s *Sender) client() (*mail.Client, error) {
	port, err := strconv.Atoi(s.port)
	if err != nil {
		return nil, fmt.Errorf("read the mail server's port: %w", err)
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTimeout(dialTimeout)}
	switch s.cfg.Security {
	case TLS:
		options = append(options, mail.WithSSL())
	case Open:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if s.cfg.TLS != nil {
		options = append(options, mail.WithTLSConfig(s.cfg.TLS.Clone()))
	}
	if s.cfg.Username != "" {
		password, err := s.cfg.Password()
		if err != nil {
			return nil, lab.Wrap(lab.CodeUnavailable, err, "the password for the mail server can't be read")
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.cfg.Username), mail.WithPassword(password))
	}
	client, err := mail.NewClient(s.host, options...)
	if err != nil {
		return nil, fmt.Errorf("make the mail client: %w", err)
	}
	return client, nil
}

// keep writes a mail into the folder, whole or not at all.
func (s *Sender) keep(message *mail.Msg) error {
	if err := os.MkdirAll(s.cfg.Folder, 0o700); err != nil {
		return lab.Wrap(lab.CodeUnavailable, err, "the folder of mails can't be made")
	}
	// Names sort in the order of sending; the files hold passwords and links.
	name := s.cfg.Now().UTC().Format("20060102T150405.000000Z") + "-" + rand.Text()[:6] + ".eml"
	file, err := os.OpenFile(filepath.Join(s.cfg.Folder, "."+name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return lab.Wrap(lab.CodeUnavailable, err, "a mail can't be kept")
	}
	_, err = message.WriteTo(file)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(s.cfg.Folder, name))
	}
	if err != nil {
		return lab.Wrap(lab.CodeUnavailable, err, "a mail can't be kept")
	}
	return nil
}
