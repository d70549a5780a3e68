package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bothylabs/bothy/service/lab"
)

// Passwords knows the passwords of people, under their user ids.
type Passwords interface {
	// SetPassword gives somebody a password, and makes them known where they are not.
	SetPassword(ctx context.Context, userID, password string) error
	// CheckPassword gives nil for the right password; CodeUnauthenticated for a wrong
	// one, CodeForbidden for who is locked out or disabled there.
	CheckPassword(ctx context.Context, userID, password string) error
}

// Store keeps who is signed in, and with what. Hashes are of tokens that it never
// sees. What is not there is CodeNotFound.
type Store interface {
	User(ctx context.Context, ref string) (lab.User, error)
	Post(ctx context.Context, userID string) (lab.Post, error)
	Record(ctx context.Context, audit lab.Audit) error

	BeginSession(ctx context.Context, in lab.SignIn, audit lab.Audit, ended func(lab.Session) lab.Audit) error
	SessionOf(ctx context.Context, hash string) (lab.Session, lab.User, lab.SessionToken, error)
	SucceedTokens(ctx context.Context, sessionID, hash string, at time.Time) error
	Session(ctx context.Context, id string) (lab.Session, error)
	RotateSession(ctx context.Context, id string, since time.Time, to string, at time.Time) (bool, error)
	EndReused(ctx context.Context, hash string, succeeded, at time.Time, audit func(lab.Session) lab.Audit) error
	SeeSession(ctx context.Context, id string, at time.Time) error
	Sessions(ctx context.Context, userID string, now time.Time, idle time.Duration, page lab.Page) (lab.List[lab.Session], error)
	EndSession(ctx context.Context, intent lab.Intent, userID, id string, at time.Time, audit lab.Audit) error
	EndSessions(ctx context.Context, intent lab.Intent, userID string, tokens bool, at time.Time, audit lab.Audit) error
	KnowsDevice(ctx context.Context, userID, hash string) (bool, error)
	PasswordHolds
	PasswordSet(ctx context.Context, hold lab.PasswordHold, state lab.Password, kept string, tokens bool, at time.Time, audit lab.Audit) (lab.NewPassword, error)

	CreateToken(ctx context.Context, intent lab.Intent, caller lab.Caller, token lab.APIToken, hash string, audit lab.Audit) error
	Token(ctx context.Context, id string) (lab.APIToken, error)
	TokenOf(ctx context.Context, hash string) (lab.APIToken, error)
	Tokens(ctx context.Context, userID string, page lab.Page) (lab.List[lab.APIToken], error)
	RevokeToken(ctx context.Context, intent lab.Intent, userID, id string, at time.Time, audit lab.Audit) error
	UseToken(ctx context.Context, id string, at time.Time) error

	BeginAttempt(ctx context.Context, attempt lab.Attempt, limits lab.AttemptLimits) (wait time.Duration, err error)
	EndAttempt(ctx context.Context, attempt lab.Attempt, limits lab.AttemptLimits, outcome lab.AttemptOutcome) error
	Spend(ctx context.Context, key string, most int, window time.Duration, at time.Time) error

	AskLetter(ctx context.Context, letter lab.Letter, audit lab.Audit) error
	ResetLink(ctx context.Context, hash string, now time.Time) (lab.Letter, error)
	UseLink(ctx context.Context, id string, at time.Time) error
}

// Config is what People works with. Store, Passwords, NewID and Log must be set.
type Config struct {
	Store     Store
	Passwords Passwords
	// Idle is how long a session may go unused, Lifetime how long it lasts at most.
	Idle, Lifetime time.Duration
	// Secure says that browsers reach Bothy by https.
	Secure bool
	// Uninvited: who has no password is sent none, nor a link with which to choose one.
	Uninvited bool
	// Operator is the token of the settings; nil for none.
	Operator *Static
	// Registry takes the metrics; nil for none.
	Registry *prometheus.Registry
	Log      *slog.Logger

	NewID func() string
	// Now, Random and After may be set by tests.
	Now    func() time.Time
	Random io.Reader
	After  func(time.Duration) <-chan time.Time
}

// The figures of sessions and tokens.
const (
	// rotation is how long a session keeps one token, grace how long it still takes
	// the one before once the next was seen: of requests that were on their way.
	rotation = 15 * time.Minute
	grace    = time.Minute
	// seen is how exactly it is known when a session or a token was last used.
	seen = time.Minute
	// secretBytes is the length of every token before it is encoded.
	secretBytes = 32
	// secretText is its length as text.
	secretText = 43
	// fresh is how long after a sign-in somebody who has no password is taken for
	// who signed in, where others are asked for theirs.
	fresh = 10 * time.Minute
)

// People knows who people are: by session, by API token, by password. Its methods
// may be called at the same time.
type People struct {
	Config
	signIns *prometheus.CounterVec
	// taken has something for each turn that is taken.
	taken chan struct{}
	// changing has the ids of those whose password is changed by a session.
	changing sync.Map
}

// NewPeople makes it.
func NewPeople(cfg Config) (*People, error) {
	if cfg.Store == nil || cfg.Passwords == nil || cfg.NewID == nil || cfg.Log == nil {
		return nil, errors.New("auth: Store, Passwords, NewID and Log must be set")
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
	p := &People{Config: cfg, taken: make(chan struct{}, turns), signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bothy_sign_ins_total", Help: "Sign-ins tried, by how (password, link, provider) and what came of it.",
	}, []string{"by", "outcome"})}
	if cfg.Registry != nil {
		if err := cfg.Registry.Register(p.signIns); err != nil {
			return nil, fmt.Errorf("register the metrics of sign-ins: %w", err)
		}
	}
	return p, nil
}

// now is the time at the precision that is stored.
func (p *People) now() time.Time { return p.Now().UTC().Truncate(time.Microsecond) }

// secret makes a token that nobody can guess.
func (p *People) secret() (string, error) {
	random := make([]byte, secretBytes)
	if _, err := io.ReadFull(p.Random, random); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(random), nil
}

// hashOf is what is kept of a token. It needs no salt: a token is random.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (p *People) audit(actor lab.Actor, action, target string, detail map[string]any) lab.Audit {
	return lab.Audit{ID: p.NewID(), At: p.now(), Actor: actor, Action: action, Target: target, Detail: detail}
}

// actorOf is a person as the record of changes names them.
func actorOf(user lab.User, remote string) lab.Actor {
	return lab.Actor{Name: "user:" + user.Login, UserID: user.ID, Role: user.Role, Remote: remote}
}

// callerOf gives what somebody may see and do by now.
func (p *People) callerOf(ctx context.Context, user lab.User) (lab.Caller, error) {
	post, err := p.Store.Post(ctx, user.ID)
	if err != nil {
		return lab.Caller{}, fmt.Errorf("read what somebody has been given: %w", err)
	}
	return lab.Caller{Name: "user:" + user.Login, UserID: user.ID, Role: user.Role, Scope: post.Scope(user.Role)}, nil
}

func unauthenticated(format string, args ...any) *lab.Error {
	return lab.Errorf(lab.CodeUnauthenticated, format, args...)
}

// orUnknown makes CodeUnauthenticated of what is not there.
func orUnknown(err error, what string) error {
	if lab.CodeOf(err) == lab.CodeNotFound {
		return unauthenticated("%s", what)
	}
	return err
}

// pageSize is how many of a list are given to who asks for no number.
const pageSize = 100

// whole fills in what a page leaves out.
func whole(page lab.Page) lab.Page {
	if page.Limit < 1 {
		page.Limit = pageSize
	}
	return page
}
