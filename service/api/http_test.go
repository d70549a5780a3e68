package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
)

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	b := newBench(t)
	for target, status := range map[string]int{"/nothing": 404, "/v1/nothing": 404, "/v1/cohorts/": 404, "/v2/cohorts": 404} {
		problem(t, b.do(request(http.MethodGet, target, "")), status)
	}
	answer := b.do(request(http.MethodPut, "/v1/cohorts", ""))
	if allow := answer.Header.Get("Allow"); allow != "GET, POST" {
		t.Errorf("Allow: %s", allow)
	}
	if p := problem(t, answer, http.StatusMethodNotAllowed); p.Code != "method_not_allowed" {
		t.Error(p.Code)
	}
}

func TestUnderV1EvenTheUnknownWantsAToken(t *testing.T) {
	b := newBench(t)
	for target, method := range map[string]string{"/v1/nothing": http.MethodGet, "/v1": http.MethodGet, "/v1/cohorts": http.MethodPut} {
		answer := b.do(httptest.NewRequest(method, target, nil))
		if answer.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", target)
		}
		problem(t, answer, http.StatusUnauthorized)
	}
}

func TestAnAuthenticatorThatFailsLetsNobodyIn(t *testing.T) {
	b := newBench(t, func(c *api.Config) { c.Authenticator = broken{} })
	answer := b.do(request(http.MethodGet, "/v1/cohorts", ""))
	if p := problem(t, answer, http.StatusInternalServerError); strings.Contains(p.Detail, "secret") {
		t.Errorf("%+v", p)
	}
	if len(b.registrar.called()) != 0 {
		t.Error("called the registrar")
	}
}

type broken struct{}

func (broken) Authenticate(context.Context, *http.Request, string, http.Header) (lab.Caller, error) {
	return lab.Caller{Name: "token:test"}, errors.New("the secret place is on fire")
}

func (broken) Again(_ context.Context, caller lab.Caller) (lab.Caller, error) { return caller, nil }

// Whoever sends slowly has had their rights for as long as that takes, and no longer.
func TestWhoIsLetInBeforeTheirBodyIsHereIsAskedForAgain(t *testing.T) {
	who := &turned{before: lab.Caller{Name: "user:ada", Role: lab.RoleAdmin, Scope: lab.Scope{All: true}}}
	b := newBench(t, func(c *api.Config) { c.Authenticator = who })
	asks := func() answer { return b.do(request(http.MethodPatch, "/v1/users/ada@example.org", `{"role":"admin"}`)) }

	who.err = lab.Errorf(lab.CodeUnauthenticated, "the token was revoked")
	answer := asks()
	if problem(t, answer, http.StatusUnauthorized); answer.Header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	who.err, who.after = nil, lab.Caller{Name: "user:ada", UserID: "id-ada", Role: lab.RoleInstructor}
	problem(t, asks(), http.StatusForbidden)
	if got := b.registrar.called(); len(got) != 0 {
		t.Errorf("called %v", got)
	}
	who.after = who.before
	if got := asks(); got.StatusCode != http.StatusOK {
		t.Errorf("%d: %s", got.StatusCode, got.Body)
	}
}

// turned is an authenticator whose caller is another, or nobody, when it looks again.
type turned struct {
	before, after lab.Caller
	err           error
}

func (o *turned) Authenticate(context.Context, *http.Request, string, http.Header) (lab.Caller, error) {
	return o.before, nil
}

func (o *turned) Again(context.Context, lab.Caller) (lab.Caller, error) { return o.after, o.err }

func TestInternalsAreLoggedAndNotShown(t *testing.T) {
	b := newBench(t)
	b.registrar.answers(fmt.Errorf("dial 10.0.0.7: %w", errors.New("password refused")))
	answer := b.do(request(http.MethodGet, "/v1/cohorts", ""))
	body := answer.Body
	if answer.StatusCode != http.StatusInternalServerError || strings.Contains(body, "10.0.0.7") || strings.Contains(body, "refused") {
		t.Errorf("%d: %s", answer.StatusCode, body)
	}
	if log := b.log.String(); !strings.Contains(log, "dial 10.0.0.7: password refused") || !strings.Contains(log, answer.Header.Get("X-Request-Id")) {
		t.Errorf("the log does not tell the cause: %s", log)
	}
}

func TestAPanicIsAnInternalProblemWithItsStackInTheLog(t *testing.T) {
	b := newBench(t)
	b.registrar.panic = "nil map"
	p := problem(t, b.do(request(http.MethodGet, "/v1/cohorts", "")), http.StatusInternalServerError)
	log := b.log.String()
	if strings.Contains(p.Detail, "nil map") || !strings.Contains(log, "nil map") || !strings.Contains(log, "fakeRegistrar") || !strings.Contains(log, p.RequestID) {
		t.Errorf("%+v\n%s", p, log)
	}
}

func TestACallerWhoLeavesIsNoFault(t *testing.T) {
	b := newBench(t)
	b.registrar.answers(fmt.Errorf("query: %w", context.Canceled))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	problem(t, b.do(request(http.MethodGet, "/v1/cohorts", "").WithContext(ctx)), http.StatusServiceUnavailable)
	if log := b.log.String(); !strings.Contains(log, `"status":499`) || strings.Contains(log, `"level":"ERROR"`) {
		t.Error(log)
	}
}

func TestTheLogHoldsNeitherQueriesNorTokens(t *testing.T) {
	b := newBench(t)
	r := request(http.MethodGet, "/v1/workspaces?cohort=hush", "")
	b.do(r)
	r.Header.Set("Authorization", "Bearer not-the-token-but-a-secret")
	b.do(r)
	log := b.log.String()
	for _, secret := range []string{"hush", token, "not-the-token-but-a-secret"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q: %s", secret, log)
		}
	}
	for _, want := range []string{`"path":"/v1/workspaces"`, `"operation":"listWorkspaces"`, `"status":200`, `"status":401`, `"actor":"token:test"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}

func TestRequestIDsAreTakenOverWhenTheyAreSane(t *testing.T) {
	b := newBench(t, func(c *api.Config) { c.NewRequestID = func() string { return "made-here" } })
	for sent, want := range map[string]string{
		"":                             "made-here",
		"0198c1d2-7a50-7c6e-9d0f":      "0198c1d2-7a50-7c6e-9d0f",
		"short":                        "made-here",
		"with spaces and\tmore":        "made-here",
		strings.Repeat("x", 65):        "made-here",
		`{"level":"ERROR","msg":"no"}`: "made-here",
	} {
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Header.Set("X-Request-Id", sent)
		if got := b.do(r).Header.Get("X-Request-Id"); got != want {
			t.Errorf("%q became %q", sent, got)
		}
	}
}

func TestForwardedAddressesAreBelievedOnlyFromTrustedProxies(t *testing.T) {
	for name, test := range map[string]struct {
		proxies []string
		want    string
	}{
		"none is trusted":    {nil, "192.0.2.1"},
		"another is trusted": {[]string{"10.0.0.0/8"}, "192.0.2.1"},
		"this is trusted":    {[]string{"192.0.2.0/24"}, "203.0.113.9"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(c *api.Config) { c.TrustedProxies = test.proxies })
			r := request(http.MethodDelete, "/v1/cohorts/fall-26", "")
			r.Header.Set("X-Forwarded-For", "203.0.113.9")
			b.do(r)
			if got := b.registrar.called()[0].Actor.Remote; got != test.want {
				t.Errorf("the actor comes from %s", got)
			}
		})
	}
}

func TestCrossOriginWritesAreRefused(t *testing.T) {
	b := newBench(t, func(c *api.Config) { c.TrustedOrigins = []string{"https://bothy.example.edu"} })
	for name, test := range map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"a program":            {http.MethodDelete, nil, http.StatusNoContent},
		"the console":          {http.MethodDelete, map[string]string{"Sec-Fetch-Site": "same-origin"}, http.StatusNoContent},
		"a trusted origin":     {http.MethodDelete, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://bothy.example.edu"}, http.StatusNoContent},
		"another site":         {http.MethodDelete, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, http.StatusForbidden},
		"a workspace":          {http.MethodDelete, map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://labs.localhost:9999"}, http.StatusForbidden},
		"an old browser":       {http.MethodDelete, map[string]string{"Origin": "https://evil.example"}, http.StatusForbidden},
		"reading from a site":  {http.MethodGet, map[string]string{"Sec-Fetch-Site": "cross-site"}, http.StatusOK},
		"a method in disguise": {http.MethodPost, map[string]string{"Sec-Fetch-Site": "cross-site", "X-HTTP-Method-Override": "GET"}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(test.method, "/v1/cohorts/fall-26", "")
			for k, v := range test.header {
				r.Header.Set(k, v)
			}
			answer := b.do(r)
			if answer.StatusCode != test.status {
				t.Errorf("got %d", answer.StatusCode)
			}
			if test.status == http.StatusForbidden {
				problem(t, answer, test.status)
			}
		})
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	b := newBench(t)
	for _, target := range []string{"/healthz", "/readyz", "/metrics", "/v1/openapi.json", "/v1/cohorts", "/nothing"} {
		answer := b.do(request(http.MethodGet, target, ""))
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q", target, name, got)
			}
		}
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %s", target, policy)
		}
	}
}

func TestHeadIsAnsweredAsGet(t *testing.T) {
	server := httptest.NewServer(newBench(t))
	defer server.Close()
	for _, target := range []string{"/healthz", "/v1/cohorts"} {
		r := request(http.MethodHead, server.URL+target, "")
		r.RequestURI = ""
		got, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		if err := errors.Join(err, got.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if got.StatusCode != http.StatusOK || len(body) != 0 {
			t.Errorf("%s: %s: %q", target, got.Status, body)
		}
	}
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	down := lab.Wrap(lab.CodeUnavailable, errors.New("dial tcp 10.0.0.7:4646"), "Nomad does not answer").WithHint("is it running?")
	with := func(store, nomad error) *bench {
		return newBench(t, func(c *api.Config) {
			c.Dependencies = []api.Dependency{
				{Name: "store", Required: true, Ready: func(context.Context) error { return store }},
				{Name: "nomad", Ready: func(context.Context) error { return nomad }},
			}
		})
	}
	t.Run("all answer", func(t *testing.T) {
		answer := with(nil, nil).do(httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if body := answer.Body; answer.StatusCode != http.StatusOK || body != `{"dependencies":{"nomad":"ok","store":"ok"},"status":"ready"}` {
			t.Errorf("%d: %s", answer.StatusCode, body)
		}
	})
	t.Run("a lesser one is away", func(t *testing.T) {
		answer := with(nil, down).do(httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if body := answer.Body; answer.StatusCode != http.StatusOK || !strings.Contains(body, `"nomad":"unavailable"`) || strings.Contains(body, "10.0.0.7") {
			t.Errorf("%d: %s", answer.StatusCode, body)
		}
	})
	t.Run("a required one is away", func(t *testing.T) {
		b := with(errors.New("disk I/O error at /var/lib"), nil)
		p := problem(t, b.do(httptest.NewRequest(http.MethodGet, "/readyz", nil)), http.StatusServiceUnavailable)
		if diff := cmp.Diff([]string{"store"}, fieldNames(p)); diff != "" || strings.Contains(fmt.Sprint(p), "/var/lib") {
			t.Errorf("%+v", p)
		}
		if !strings.Contains(b.log.String(), "/var/lib") {
			t.Error("the log does not tell the cause")
		}
	})
	t.Run("status tells what may be told", func(t *testing.T) {
		body := with(errors.New("disk I/O error"), down).do(request(http.MethodGet, "/v1/status", "")).Body
		for _, want := range []string{`"Nomad does not answer (is it running?)"`, `"does not answer as it should"`, `"version":"1.2.3"`, `"id-installation"`} {
			if !strings.Contains(body, want) {
				t.Errorf("no %s in %s", want, body)
			}
		}
		if strings.Contains(body, "10.0.0.7") || strings.Contains(body, "disk") {
			t.Errorf("too much in %s", body)
		}
	})
}

func TestMetricsAreBounded(t *testing.T) {
	b := newBench(t)
	for i := range 50 {
		b.do(request(http.MethodGet, fmt.Sprintf("/v1/cohorts/c%d", i), ""))
		b.do(request(http.MethodGet, fmt.Sprintf("/nothing/%d", i), ""))
		b.do(request(fmt.Sprintf("METHOD%d", i), "/v1/cohorts", ""))
	}
	body := b.do(httptest.NewRequest(http.MethodGet, "/metrics", nil)).Body
	for _, want := range []string{
		`bothy_http_requests_total{operation="getCohort",status="200"} 50`,
		`bothy_http_requests_total{operation="unmatched",status="404"} 50`,
		`bothy_http_requests_total{operation="unmatched",status="405"} 50`,
		`bothy_http_request_duration_seconds_count{operation="getCohort"} 50`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	if n := strings.Count(body, "bothy_http_requests_total{"); n != 3 {
		t.Errorf("%d series", n)
	}
}

func TestAnAPIWithoutItsPartsIsRefused(t *testing.T) {
	if _, err := api.New(api.Config{}); err == nil {
		t.Error("made an API of nothing")
	}
	for name, change := range map[string]func(*api.Config){
		"a proxy that is no address":  func(c *api.Config) { c.TrustedProxies = []string{"over there"} },
		"an origin that is no origin": func(c *api.Config) { c.TrustedOrigins = []string{"example.edu/path"} },
	} {
		config := api.Config{Registrar: &fakeRegistrar{}, Authenticator: broken{}, Receipts: &fakeReceipts{}, Tasks: &fakeTasks{}, Log: discard()}
		change(&config)
		if _, err := api.New(config); err == nil {
			t.Errorf("took %s", name)
		}
	}
}

func TestAListSaysWhereItsNextPageBegins(t *testing.T) {
	b := newBench(t)
	for _, target := range []string{"/v1/cohorts", "/v1/cohorts/fall-26/students", "/v1/courses", "/v1/classes", "/v1/workspaces", "/v1/templates"} {
		if body := b.do(request(http.MethodGet, target, "")).Body; !strings.Contains(body, `"next_cursor":"next"`) {
			t.Errorf("%s: %s", target, body)
		}
		if body := b.do(request(http.MethodGet, target+"?cursor=next", "")).Body; !strings.Contains(body, `"next_cursor":null`) {
			t.Errorf("%s, the last page: %s", target, body)
		}
	}
}
