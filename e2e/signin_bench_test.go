package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// pupils is how many sign in, and within how long they come where they do not come
	// all at once: the last one has some of the minute left.
	pupils = 500
	within = 55 * time.Second
	// patience is longer than anybody waits for a page.
	patience = time.Minute
)

// BenchmarkSignIns lets 500 students sign in at a `bothy server`, each in a browser of
// their own that nobody has signed in with before: the page, the form, and the portal
// that it leads to. Vault is a real one, set up as for production but for its storage
// (a folder), with the passwords that each of them chose (school). The database is
// SQLite. Any error ends the benchmark.
//
// In a minute: they come evenly, three of five from the one address of a school. After
// their own sign-in, every fifth asks Vault itself about the same password, which is
// what Bothy's figures stand beside. At once: all of them at the same moment, from that
// address alone; and then all of them at Vault itself.
//
// Metrics: of the form's answer, the half, 95 and 99 of 100 (p50-ms, p95-ms, p99-ms);
// sign-ins a second (per-s); of Vault alone the same (vault-…); and what Bothy's are of
// Vault's (bothy/vault).
func BenchmarkSignIns(b *testing.B) {
	s := openSchool(b)
	b.Run("in-a-minute", func(b *testing.B) {
		var bothy figures
		var mu sync.Mutex
		var vault figures
		for b.Loop() {
			bothy.add(s.all(b, within, func(ctx context.Context, p pupil) (time.Duration, error) {
				took, err := s.signIn(ctx, p, fromSomewhere(p))
				if err != nil || p.number%5 != 0 {
					return took, err
				}
				alone, err := s.askVault(ctx, p)
				mu.Lock()
				defer mu.Unlock()
				vault.took = append(vault.took, alone)
				return took, err
			}))
		}
		bothy.report(b, "")
		vault.report(b, "vault-")
		b.ReportMetric(float64(bothy.percentile(50))/float64(vault.percentile(50)), "p50-bothy/vault")
		b.ReportMetric(bothy.rate(), "per-s")
		b.ReportMetric(0, "ns/op") // which is that of all of them
	})
	b.Run("at-once", func(b *testing.B) {
		var bothy, vault figures
		for b.Loop() {
			bothy.add(s.all(b, 0, func(ctx context.Context, p pupil) (time.Duration, error) { return s.signIn(ctx, p, schoolAddress) }))
			vault.add(s.all(b, 0, s.askVault))
		}
		bothy.report(b, "")
		vault.report(b, "vault-")
		b.ReportMetric(bothy.rate(), "per-s")
		b.ReportMetric(vault.rate(), "vault-per-s")
		b.ReportMetric(bothy.rate()/vault.rate(), "rate-bothy/vault")
		b.ReportMetric(0, "ns/op")
	})
}

// all lets every pupil do something, beginning evenly over a time, and gives how long
// it took each, and all of them together.
func (s *school) all(b *testing.B, over time.Duration, do func(context.Context, pupil) (time.Duration, error)) (took []time.Duration, whole time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), over+2*patience)
	defer cancel()
	took = make([]time.Duration, len(s.pupils))
	problems := make([]error, len(s.pupils))
	var group sync.WaitGroup
	began := time.Now()
	for i, p := range s.pupils {
		group.Go(func() {
			select {
			case <-time.After(over * time.Duration(i) / time.Duration(len(s.pupils))):
				took[i], problems[i] = do(ctx, p)
			case <-ctx.Done():
				problems[i] = ctx.Err()
			}
		})
	}
	group.Wait()
	whole = time.Since(began)
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	if len(problems) > 0 {
		b.Fatalf("%d of %d failed, the first: %v", len(problems), len(s.pupils), problems[0])
	}
	return took, whole
}

// signIn is what a new browser does, from an address; it gives how long the form took.
func (s *school) signIn(ctx context.Context, p pupil, from netip.Addr) (time.Duration, error) {
	browser, err := s.visit(from)
	if err != nil {
		return 0, err
	}
	defer browser.close()
	if _, err := browser.get(ctx, "/sign-in", http.StatusOK); err != nil {
		return 0, err
	}
	began := time.Now()
	to, err := browser.submit(ctx, "/sign-in", url.Values{"login": {p.login}, "password": {p.password}, "to": {"/"}})
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	if to != "/" {
		return 0, fmt.Errorf("%s was led to %q", p.login, to)
	}
	portal, err := browser.get(ctx, to, http.StatusOK)
	if err == nil && !strings.Contains(portal, p.name) {
		err = fmt.Errorf("the portal is not that of %s: %s", p.name, portal)
	}
	return took, err
}

// askVault has Vault look at somebody's password.
func (s *school) askVault(ctx context.Context, p pupil) (time.Duration, error) {
	body, err := json.Marshal(map[string]string{"password": p.password})
	if err != nil {
		return 0, fmt.Errorf("write a password: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.vault+"/v1/auth/bothy-people/login/"+p.user, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("ask Vault: %w", err)
	}
	began := time.Now()
	answer, err := s.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask Vault: %w", err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("vault answers %s, %w", answer.Status, err)
	}
	return time.Since(began), nil
}

// A visitor is a browser without a window: it keeps cookies and its connection, and
// comes from an address.
type visitor struct {
	client *http.Client
	base   string
	from   netip.Addr
}

// visit makes one that has been nowhere yet.
func (s *school) visit(from netip.Addr) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	return &visitor{base: s.base, from: from, client: &http.Client{
		Transport: &http.Transport{}, Jar: jar, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (v *visitor) close() { v.client.CloseIdleConnections() }

func (v *visitor) get(ctx context.Context, path string, want int) (body string, err error) {
	_, body, err = v.ask(ctx, http.MethodGet, path, nil, want)
	return body, err
}

// submit sends a form, and gives where its answer leads to.
func (v *visitor) submit(ctx context.Context, path string, form url.Values) (to string, err error) {
	header, _, err := v.ask(ctx, http.MethodPost, path, strings.NewReader(form.Encode()), http.StatusSeeOther)
	return header.Get("Location"), err
}

func (v *visitor) ask(ctx context.Context, method, path string, form io.Reader, want int) (http.Header, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, v.base+path, form)
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("X-Forwarded-For", v.from.String())
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := v.client.Do(request)
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != want {
		err = fmt.Errorf("%s, Retry-After %q: %s", answer.Status, answer.Header.Get("Retry-After"), body)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", method, path, err)
	}
	return answer.Header, string(body), nil
}

// figures are how long things took.
type figures struct {
	took  []time.Duration
	whole time.Duration
}

func (f *figures) add(took []time.Duration, whole time.Duration) {
	f.took, f.whole = append(f.took, took...), f.whole+whole
}

func (f *figures) percentile(n int) time.Duration {
	sorted := slices.Sorted(slices.Values(f.took))
	return sorted[(len(sorted)-1)*n/100]
}

func (f *figures) rate() float64 { return float64(len(f.took)) / f.whole.Seconds() }

func (f *figures) report(b *testing.B, whose string) {
	b.Helper()
	for _, n := range []int{50, 95, 99} {
		b.ReportMetric(milliseconds(f.percentile(n)), fmt.Sprintf("%sp%d-ms", whose, n))
	}
}
