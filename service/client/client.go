// Package client speaks Bothy's API. Client has a method for each operation;
// what they send and get is generated from the API's contract.
package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bothylabs/bothy/service/lab"
)

// Limits of one call.
const (
	// callTimeout leaves the server time to give up first.
	callTimeout = 75 * time.Second
	dialTimeout = 5 * time.Second
	// maxAnswer is how much of an answer is read, in bytes.
	maxAnswer = 64 << 20
)

// Client speaks to one server, as one caller. It may be used by many goroutines.
//
// Its errors carry a code (lab.CodeOf): those of the server are a *Problem, and
// a server that cannot be reached is lab.CodeUnavailable with a hint. A ref is an
// id or the name for people; a class is "fall-26/py101".
type Client struct {
	raw    *ClientWithResponses
	doer   *doer
	stream *streamer
}

// WithTLS has the client trust and name servers as config says.
func WithTLS(config *tls.Config) Option {
	return func(d *doer) { d.transport.TLSClientConfig = config }
}

// New makes a client of the server at addr, "http://127.0.0.1:8080", with its
// token. Neither is tried out; an unusable one is lab.CodeInvalid.
func New(addr, token string, options ...Option) (*Client, error) {
	base, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	if err := checkToken(token); err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, loopback(address))
		},
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   8,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: callTimeout,
	}
	// A redirect would take the token elsewhere.
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	doer := &doer{
		addr: addr, token: token, random: rand.Reader, firstRetry: firstRetry, transport: transport,
		mediaType: "application/json", limit: maxAnswer,
		http: &http.Client{Timeout: callTimeout, Transport: transport, CheckRedirect: noRedirect},
	}
	for _, option := range options {
		option(doer)
	}
	return &Client{raw: rawOf(base+"/", doer), doer: doer, stream: &streamer{
		addr: addr, base: base, token: token, http: &http.Client{Transport: transport, CheckRedirect: noRedirect},
	}}, nil
}

func rawOf(server string, doer *doer) *ClientWithResponses {
	return &ClientWithResponses{&Raw{Server: server, Client: doer}}
}

func parseAddr(addr string) (string, error) {
	const remedy = "write it as http://127.0.0.1:8080 (BOTHY_ADDR)"
	wrong := func(problem string) error {
		return lab.Invalid("the server's address is not valid", lab.Field{Name: "address", Problem: problem, Remedy: remedy})
	}
	if addr == "" {
		return "", wrong("is empty")
	}
	u, err := url.Parse(addr)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return "", wrong("is no http or https address")
	case u.User != nil:
		return "", wrong("holds a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", wrong("has a query or a fragment")
	}
	return strings.TrimRight(addr, "/"), nil
}

func checkToken(token string) error {
	var problem string
	switch {
	case token == "":
		problem = "is empty"
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		problem = "has a space, a line end or another character that no token has"
	default:
		return nil
	}
	return lab.Invalid("the token is not valid", lab.Field{
		Name: "token", Problem: problem, Remedy: "use a token of this installation (BOTHY_TOKEN)",
	})
}

// loopback makes names under .localhost work where the resolver does not know
// them; browsers take them to the loopback address as well.
func loopback(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// doer sends requests with the token, and turns every answer that is no success into an error.
type doer struct {
	addr, token string
	http        *http.Client
	transport   *http.Transport
	conditions  Conditions
	random      io.Reader
	firstRetry  time.Duration
	// mediaType is what answers are, and limit how many bytes of one are read.
	mediaType string
	limit     int64
}

// streaming gives a doer of requests whose answers go on for as long as they are read.
func (d *doer) streaming() *doer {
	stream, calls := *d, *d.http
	calls.Timeout = 0
	stream.http, stream.mediaType, stream.limit = &calls, "text/event-stream", math.MaxInt64
	return &stream
}

// Do sends a request. The answer that it gives back is a success, and of the media type if it has a body.
func (d *doer) Do(r *http.Request) (*http.Response, error) {
	r.Header.Set("Authorization", "Bearer "+d.token)
	r.Header.Set("Accept", d.mediaType+", application/problem+json")
	d.conditions.put(r)
	answer, err := d.send(r)
	if err != nil {
		return nil, unreachable(r.Context(), d.addr, err)
	}
	mediaType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")) // an unreadable one is ""
	switch {
	case answer.StatusCode >= http.StatusBadRequest && mediaType == "application/problem+json":
		return nil, readProblem(answer)
	case answer.StatusCode == http.StatusNoContent,
		answer.StatusCode < http.StatusMultipleChoices && mediaType == d.mediaType:
		return answer, nil
	}
	return nil, errors.Join(stranger(d.addr, answer), answer.Body.Close())
}

// unreachable explains a request that got no answer.
func unreachable(ctx context.Context, addr string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call Bothy: %w", ctx.Err())
	}
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err
	}
	return lab.Wrap(lab.CodeUnavailable, err, "Bothy does not answer at %s", addr).
		WithHint("is the server running (`bothy server`, `bothy dev`), and is BOTHY_ADDR right?")
}

// stranger explains an answer that Bothy does not give.
func stranger(addr string, answer *http.Response) error {
	return lab.Errorf(lab.CodeUnavailable, "what answers at %s is not Bothy's API: %s", addr, answer.Status).
		WithHint("is BOTHY_ADDR right, and does a proxy in between let the API through?")
}

// read gives the body of an answer, or the error of the call.
func read[Answer, Body any](answer *Answer, err error, body func(*Answer) *Body) (Body, error) {
	var none Body
	var known *lab.Error
	switch {
	case err == nil:
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return none, err
	default:
		return none, lab.Wrap(lab.CodeUnavailable, err, "Bothy's answer could not be read").WithHint("try again")
	}
	found := body(answer)
	if found == nil {
		return none, lab.Errorf(lab.CodeUnavailable, "Bothy answered in a way that this program does not know").
			WithHint("is this program as new as the server?")
	}
	return *found, nil
}

// pathClass writes "fall-26/py101" as paths have it.
func pathClass(ref string) string { return strings.ReplaceAll(ref, "/", "~") }
