package school

import (
	"context"
	_ "embed" // the page
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/hashicorp/vault/api"
)

//go:embed page.html
var pageText string

// question is what a client asks for, and who is to answer it.
type question struct {
	Account, Problem string
	// People are shown, since nobody knows them by heart.
	People []Person
}

func (s *School) show(w http.ResponseWriter, status int, q question) {
	q.People = People()
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		http.Error(w, "the page can't be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_ = page.Execute(w, q) // whoever asked has left
}

func (s *School) ask(w http.ResponseWriter, _ *http.Request) {
	s.show(w, http.StatusOK, question{})
}

// authorize signs somebody in at Vault, and has the provider give them a code.
func (s *School) authorize(w http.ResponseWriter, r *http.Request) {
	account := r.PostFormValue("account")
	back, err := s.code(r.Context(), account, r.PostFormValue("password"), r.URL.Query())
	if err != nil {
		s.show(w, http.StatusForbidden, question{Account: account, Problem: err.Error()})
		return
	}
	http.Redirect(w, r, back, http.StatusSeeOther) //nolint:gosec // G710: Vault gives codes for the client's own redirect URI alone
}

// code gives where the browser goes with its code. Vault says whether client and
// redirect URI are right.
func (s *School) code(ctx context.Context, account, password string, asked url.Values) (string, error) {
	person, err := s.vault.Clone()
	if err != nil {
		return "", errors.New("there is no client for Vault")
	}
	person.ClearToken()
	answer, err := person.Logical().WriteWithContext(ctx, "auth/"+mount+"/login/"+url.PathEscape(account), map[string]any{"password": password})
	if err != nil || answer == nil || answer.Auth == nil {
		return "", errors.New("the account or the password is wrong")
	}
	person.SetToken(answer.Auth.ClientToken)
	defer func() { _ = person.Auth().Token().RevokeSelfWithContext(ctx, "") }() // it ends by itself in minutes
	raw, err := person.Logical().ReadRawWithDataWithContext(ctx, "identity/oidc/provider/"+provider+"/authorize", asked)
	if raw != nil {
		defer func() { _ = raw.Body.Close() }() // it was only read
	}
	if err != nil {
		return "", fmt.Errorf("the school's provider refuses this: %s", reason(err))
	}
	var made struct {
		Code  string `json:"code"`
		State string `json:"state"`
	}
	if err := json.NewDecoder(raw.Body).Decode(&made); err != nil || made.Code == "" {
		return "", errors.New("the school's provider gives no code")
	}
	back, err := url.Parse(asked.Get("redirect_uri"))
	if err != nil {
		return "", errors.New("the redirect URI can't be read")
	}
	back.RawQuery = url.Values{"code": {made.Code}, "state": {made.State}}.Encode()
	return back.String(), nil
}

// reason is what Vault says, without the rest.
func reason(err error) string {
	var answered *api.ResponseError
	if errors.As(err, &answered) && len(answered.Errors) > 0 {
		return answered.Errors[0]
	}
	return "it does not answer"
}
