package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/lab"
)

// Mailer sends mail. It has taken over what it gives no error for.
type Mailer interface {
	Send(ctx context.Context, mail lab.Mail) error
}

// LetterStore keeps which letters are to be sent.
type LetterStore interface {
	User(ctx context.Context, ref string) (lab.User, error)
	WantInvitations(ctx context.Context, newID func() string, at time.Time, limit int) (int, error)
	DueLetters(ctx context.Context, now time.Time, limit int) ([]lab.Letter, error)
	TryLetter(ctx context.Context, letter lab.Letter, hash string) (bool, error)
	SentLetter(ctx context.Context, letter lab.Letter, at time.Time, audit lab.Audit) error
	DropLetter(ctx context.Context, id string) error
	PasswordHolds
}

// LettersConfig is what Letters works with. Registry may be nil, and what tests set.
type LettersConfig struct {
	Store     LetterStore
	Passwords Passwords
	Mailer    Mailer
	// ConsoleURL is Bothy's own address, without a trailing slash.
	ConsoleURL string
	// PerMinute bounds how many letters are sent.
	PerMinute int
	// Uninvited: who has no password is sent one where somebody asks for that, and not by itself.
	Uninvited bool
	// Lifetime is how long the temporary password of an invitation is good from when it is sent.
	Lifetime time.Duration
	Registry *prometheus.Registry
	Log      *slog.Logger

	NewID  func() string
	Now    func() time.Time
	Random io.Reader
	After  func(time.Duration) <-chan time.Time
}

const (
	// letterPoll is how often it is looked whether a letter is due; some invitations
	// are wanted every few of these.
	letterPoll   = 2 * time.Second
	inviteEveryN = 5
	inviteBatch  = 50
	// sendTimeout bounds the sending of one letter.
	sendTimeout = time.Minute
	// firstLetterRetry and lastLetterRetry bound the time to the next try.
	firstLetterRetry = 2 * time.Minute
	lastLetterRetry  = 6 * time.Hour
)

// Letters sends invitations to those who have no password yet, and links to those
// who ask for them. One instance runs it.
type Letters struct {
	LettersConfig
	sent *prometheus.CounterVec
}

// NewLetters makes it.
func NewLetters(cfg LettersConfig) (*Letters, error) {
	if cfg.Store == nil || cfg.Passwords == nil || cfg.Mailer == nil || cfg.NewID == nil || cfg.Log == nil || cfg.PerMinute < 1 || cfg.Lifetime <= 0 {
		return nil, errors.New("auth: Letters want Store, Passwords, Mailer, NewID, Log, PerMinute and Lifetime")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.After == nil {
		cfg.After = time.After
	}
	l := &Letters{LettersConfig: cfg, sent: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bothy_letters_total", Help: "Letters sent, by kind (invitation, reset) and what came of it.",
	}, []string{"kind", "outcome"})}
	if cfg.Registry != nil {
		if err := cfg.Registry.Register(l.sent); err != nil {
			return nil, fmt.Errorf("register the metrics of letters: %w", err)
		}
	}
	return l, nil
}

// Run sends letters until ctx ends, which is no error. It may be killed at any line:
// what was not noted as sent is sent again, with another password or link.
func (l *Letters) Run(ctx context.Context) error {
	for turn := 0; ; turn++ {
		if err := l.round(ctx, !l.Uninvited && turn%inviteEveryN == 0); err != nil && ctx.Err() == nil {
			l.Log.WarnContext(ctx, "letters can't be sent now", "error", err)
		}
		if !l.wait(ctx, letterPoll) {
			return nil
		}
	}
}

func (l *Letters) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-l.After(d):
		return ctx.Err() == nil
	}
}

// round sends what is due. After each letter it is looked anew which comes next:
// somebody may have asked for a link while many are invited.
func (l *Letters) round(ctx context.Context, invite bool) error {
	if invite {
		if _, err := l.Store.WantInvitations(ctx, l.NewID, l.now(), inviteBatch); err != nil {
			return err
		}
	}
	for {
		due, err := l.Store.DueLetters(ctx, l.now(), 1)
		if err != nil || len(due) == 0 {
			return err
		}
		next := l.After(time.Minute / time.Duration(l.PerMinute))
		if err := l.try(ctx, due[0]); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-next:
		}
	}
}

func (l *Letters) now() time.Time { return l.Now().UTC().Truncate(time.Microsecond) }

// try sends one letter. What keeps this one from being sent is logged, and it is
// tried again later; an error is what keeps all others as well.
func (l *Letters) try(ctx context.Context, letter lab.Letter) error {
	user, err := l.Store.User(ctx, letter.UserID)
	if err != nil && lab.CodeOf(err) != lab.CodeNotFound {
		return err
	}
	now := l.now()
	if err != nil || !needed(letter, user, now) {
		l.Log.InfoContext(ctx, "a letter that is not needed any more is not sent", "kind", letter.Kind, "user", letter.UserID, "asked_at", letter.AskedAt)
		return l.Store.DropLetter(ctx, letter.ID)
	}
	secret, hash, err := l.secretOf(letter.Kind)
	if err != nil {
		return err
	}
	letter.Tries++
	letter.DueAt = now.Add(min(lastLetterRetry, firstLetterRetry<<min(letter.Tries-1, 10)))
	letter.ExpiresAt = now.Add(l.Lifetime)
	if letter.Kind == lab.LetterReset {
		letter.ExpiresAt = now.Add(LinkLifetime)
	}
	mine, err := l.Store.TryLetter(ctx, letter, hash)
	if err != nil || !mine {
		return err
	}
	if err := l.send(ctx, letter, user, secret); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.sent.WithLabelValues(string(letter.Kind), "failed").Inc()
		l.Log.WarnContext(ctx, "a letter was not sent", "kind", letter.Kind, "user", user.ID, "try", letter.Tries, "again_at", letter.DueAt, "error", err)
		return nil
	}
	l.sent.WithLabelValues(string(letter.Kind), "ok").Inc()
	audit := lab.Audit{
		ID: l.NewID(), At: l.now(), Actor: lab.Actor{Name: "bothy"}, Action: "mail." + string(letter.Kind), Target: user.ID,
		Detail: map[string]any{"to": user.Email},
	}
	return l.Store.SentLetter(ctx, letter, audit.At, audit)
}

// needed says whether a letter is still wanted by its reader.
func needed(letter lab.Letter, user lab.User, now time.Time) bool {
	switch {
	case !user.Active(), user.Email == "":
		return false
	case letter.Kind == lab.LetterInvitation:
		return user.Password != lab.PasswordOwn && user.Subject == "" // else a provider signs them in
	default: // whoever asked for a link has given up waiting, or chosen a password with another one
		return letter.UsedAt == nil && now.Sub(letter.AskedAt) < LinkLifetime
	}
}

// secretOf makes what a letter carries, and what is kept of it.
func (l *Letters) secretOf(kind lab.LetterKind) (secret, hash string, err error) {
	random := make([]byte, secretBytes)
	if _, err := io.ReadFull(l.Random, random); err != nil {
		return "", "", fmt.Errorf("make a secret: %w", err)
	}
	secret = spelled(random)
	if kind == lab.LetterReset {
		return secret, hashOf(secret), nil
	}
	return secret[:passwordLetters], "", nil
}

// spelling are characters that nobody mistakes for each other (Crockford's base 32),
// and passwordLetters how many of them, and hyphens, are a temporary password: 80 bits.
const (
	spelling        = "0123456789abcdefghjkmnpqrstvwxyz"
	passwordLetters = 19
)

// spelled writes random bytes as groups of four such characters, 5 bits of each byte.
func spelled(random []byte) string {
	var b strings.Builder
	for i, r := range random {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(spelling[r%32])
	}
	return b.String()
}

func (l *Letters) send(ctx context.Context, letter lab.Letter, user lab.User, secret string) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if letter.Kind == lab.LetterReset {
		return l.Mailer.Send(ctx, l.reset(user, secret))
	}
	// Whoever chooses a password of their own waits until this one is set, or keeps it
	// from being set: never does it take the place of theirs.
	giver := Giver{Holds: l.Store, Passwords: l.Passwords, NewID: l.NewID, Now: l.Now, After: l.After}
	if err := giver.Give(ctx, lab.PasswordHold{UserID: user.ID, Temporary: true}, secret, func(ctx context.Context, hold lab.PasswordHold) error {
		if held, err := l.Store.ReleasePassword(ctx, hold); err != nil || held {
			return err
		}
		return lab.Errorf(lab.CodeConflict, "it was set too late, and may not be theirs")
	}); err != nil {
		return fmt.Errorf("give a temporary password: %w", err)
	}
	return l.Mailer.Send(ctx, l.invitation(user, secret, letter.ExpiresAt))
}

func (l *Letters) invitation(user lab.User, password string, until time.Time) lab.Mail {
	return lab.Mail{Name: user.Name, To: user.Email, Subject: "Welcome to Bothy", Text: fmt.Sprintf(`Hello %s,

you have an account at Bothy, which gives you a ready development environment
in the browser. Nothing needs to be installed.

Sign in here:        %s/sign-in
Login:               %s
Temporary password:  %s

When you sign in for the first time, you choose a password of your own. The
temporary one is good for nothing else, and until
%s. After that, have a link mailed to you here:

%s/reset

If you don't know why you get this mail, please tell your instructor.

Bothy
%s
`, user.Name, l.ConsoleURL, user.Login, password, until.UTC().Format("Monday, 2 January 2006, 15:04 UTC"), l.ConsoleURL, l.ConsoleURL)}
}

func (l *Letters) reset(user lab.User, token string) lab.Mail {
	return lab.Mail{Name: user.Name, To: user.Email, Subject: "Choose a new password for Bothy", Text: fmt.Sprintf(`Hello %s,

somebody, most likely you, has asked for a new password for your account at
Bothy (login %s). With this link you choose one; it works once, and for one hour:

%s/reset/choose?link=%s

If it was not you, do nothing: your password stays as it is.

Bothy
%s
`, user.Name, user.Login, l.ConsoleURL, token, l.ConsoleURL)}
}
