package auth

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bothylabs/bothy/service/lab"
)

// What a password must be. Length counts, not its kinds of characters.
const (
	MinPassword = 10
	// MaxPassword is in bytes: Vault looks at no more.
	MaxPassword = 72
	// fewest is the least number of different characters.
	fewest = 4
)

// The figures of resets by mail.
const (
	// LinkLifetime is how long a mailed link is good from the moment it is sent.
	LinkLifetime = time.Hour
	// resetsOfAccount are the most mails to one person within a resetWindow.
	// resetsOfAddress are the most beyond each person's first that one address asks
	// for: nobody goes without a mail because of who else is behind their address.
	resetsOfAccount = 3
	resetsOfAddress = 50
	resetWindow     = time.Hour
)

// CheckNewPassword says what is wrong with a password that somebody is to have:
// CodeInvalid, or nil for a good one.
func CheckNewPassword(user lab.User, password string) error {
	var problem string
	local, _, _ := strings.Cut(user.Login, "@")
	folded := strings.ToLower(password)
	different := map[rune]bool{}
	for _, r := range password {
		different[r] = true
	}
	switch {
	case !utf8.ValidString(password) || utf8.RuneCountInString(password) < MinPassword:
		problem = fmt.Sprintf("has fewer than %d characters", MinPassword)
	case len(password) > MaxPassword:
		problem = fmt.Sprintf("is longer than %d bytes", MaxPassword)
	case len(different) < fewest:
		problem = "has hardly any different characters"
	case len(local) > 3 && strings.Contains(folded, strings.ToLower(local)), user.Name != "" && strings.Contains(folded, strings.ToLower(user.Name)):
		problem = "has your login or name in it"
	default:
		return nil
	}
	return lab.Invalid("this password can't be used", lab.Field{
		Name: "password", Problem: problem, Remedy: fmt.Sprintf("choose at least %d characters that nobody can guess; a few words together do well", MinPassword),
	})
}

// ChangePassword gives somebody the password that they choose, who knows the
// present one or has just signed in with a temporary one. Their other sessions end;
// with tokens, their API tokens are revoked too. CodeInvalid says what is wrong with
// the new one; CodeConflict comes at once while they change it elsewhere.
func (p *People) ChangePassword(ctx context.Context, visitor Visitor, visit Visit, present, chosen string, tokens bool) error {
	user := visitor.User
	if err := CheckNewPassword(user, chosen); err != nil {
		return err
	}
	if !visitor.Session.PasswordDue {
		if err := p.knows(ctx, visit, user, present, "the password was not changed"); err != nil {
			return err
		}
	} else if err := p.isAnother(ctx, user, chosen); err != nil {
		return err
	}
	// Nobody queues behind themselves. Whoever has a link does queue: the change that is
	// on its way may be somebody else's.
	if _, twice := p.changing.LoadOrStore(user.ID, true); twice {
		return lab.Errorf(lab.CodeConflict, "another password is being set at this moment").WithHint("try again in a minute")
	}
	defer p.changing.Delete(user.ID)
	audit := p.audit(actorOf(user, visit.Remote), "password.change", user.ID, map[string]any{"first": visitor.Session.PasswordDue})
	_, err := p.givePassword(ctx, user.ID, chosen, visitor.Session.ID, tokens, audit)
	return err
}

// knows wants somebody's present password: CodeInvalid for another one.
func (p *People) knows(ctx context.Context, visit Visit, user lab.User, present, what string) error {
	wrong := lab.Invalid(what, lab.Field{Name: "present", Problem: "is not your present password", Remedy: "type it again"})
	_, err := p.attempt(ctx, visit, user.ID, user.ID, present, wrong)
	return err
}

// isAnother wants a password not to be the temporary one, which is in a mail.
func (p *People) isAnother(ctx context.Context, user lab.User, chosen string) error {
	done, err := p.turn(ctx)
	if err != nil {
		return err
	}
	err = p.Passwords.CheckPassword(ctx, user.ID, chosen)
	done()
	switch lab.CodeOf(err) {
	case lab.CodeUnauthenticated:
		return nil
	case "":
		return lab.Invalid("this password can't be used", lab.Field{
			Name: "password", Problem: "is the temporary one", Remedy: "choose another, which nobody has mailed",
		})
	default:
		return fmt.Errorf("compare the passwords: %w", err)
	}
}

// AskReset has a link mailed with which to choose a new password, if there is such a
// login, somebody who may sign in, with an address, and not enough mails on their way.
// It does not say which: nil is all that comes back, and always after the same time.
// Failed sign-ins don't count.
func (p *People) AskReset(ctx context.Context, visit Visit, login string) error {
	even := p.After(evenly)
	if err := p.askReset(ctx, visit, strings.TrimSpace(login)); err != nil {
		return err
	}
	select {
	case <-even:
	case <-ctx.Done():
	}
	return nil
}

func (p *People) askReset(ctx context.Context, visit Visit, login string) error {
	if login == "" || len(login) > maxLogin {
		return nil
	}
	user, err := p.Store.User(ctx, login)
	if lab.CodeOf(err) == lab.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	// Whom a provider signs in has no password here to be lost.
	elsewhere := user.Password == lab.PasswordNone && (user.Subject != "" || p.Uninvited)
	if !user.Active() || user.Email == "" || elsewhere {
		return nil
	}
	at := p.now()
	err = p.Store.Spend(ctx, "reset-first:"+user.ID, 1, resetWindow, at)
	if lab.CodeOf(err) == lab.CodeTooMany {
		err = p.Store.Spend(ctx, "reset-address:"+network(visit.Remote), resetsOfAddress, resetWindow, at)
		if err == nil {
			err = p.Store.Spend(ctx, "reset-more:"+user.ID, resetsOfAccount-1, resetWindow, at)
		}
	}
	if lab.CodeOf(err) == lab.CodeTooMany {
		return nil // enough mails are on their way, with links that are good
	}
	if err != nil {
		return err
	}
	letter := lab.Letter{ID: p.NewID(), UserID: user.ID, Kind: lab.LetterReset, AskedAt: at, DueAt: at, ExpiresAt: at.Add(LinkLifetime)}
	actor := lab.Actor{Name: "nobody", Remote: visit.Remote}
	return p.Store.AskLetter(ctx, letter, p.audit(actor, "password.ask", user.ID, nil))
}

// CheckLink says whether a mailed link is good; CodeNotFound when it is not. It is
// not used up by that: programs look at links in mails before people do.
func (p *People) CheckLink(ctx context.Context, token string) error {
	_, _, err := p.linked(ctx, token)
	return err
}

func (p *People) linked(ctx context.Context, token string) (lab.Letter, lab.User, error) {
	gone := lab.Errorf(lab.CodeNotFound, "this link is not good any more").WithHint("ask for another")
	letter, err := p.Store.ResetLink(ctx, hashOf(token), p.now())
	if lab.CodeOf(err) == lab.CodeNotFound {
		return lab.Letter{}, lab.User{}, gone
	}
	if err != nil {
		return lab.Letter{}, lab.User{}, err
	}
	user, err := p.Store.User(ctx, letter.UserID)
	if err == nil && !user.Active() {
		err = gone
	}
	return letter, user, err
}

// ResetPassword gives whoever has a mailed link the password that they choose, and a
// session. All their other sessions end, and their API tokens: whoever takes this way
// may have lost what they had to somebody else. CodeNotFound when the link is not good
// (any more), CodeInvalid for what is wrong with the password.
func (p *People) ResetPassword(ctx context.Context, visit Visit, token, chosen string) ([]*http.Cookie, error) {
	letter, user, err := p.linked(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := CheckNewPassword(user, chosen); err != nil {
		return nil, err
	}
	if err := p.Store.UseLink(ctx, letter.ID, p.now()); err != nil {
		return nil, err
	}
	audit := p.audit(actorOf(user, visit.Remote), "password.reset", user.ID, nil)
	revision, err := p.givePassword(ctx, user.ID, chosen, "", true, audit)
	if err != nil {
		// The link is good again: it was no fault of who has it.
		settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
		defer cancel()
		if again := p.Store.UseLink(settling, letter.ID, time.Time{}); again != nil {
			p.Log.WarnContext(ctx, "a link stays used up", "user", user.ID, "error", again)
		}
		return nil, err
	}
	return p.begin(ctx, user, visit, entry{by: "link", revision: revision})
}
