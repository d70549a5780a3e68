package app_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

func TestAServerThatIsAskedTooFastSaysWhenToComeBack(t *testing.T) {
	cfg := settings(t)
	cfg.Limits.RequestsPerAddress = 1
	s := start(t, cfg)
	var refused *http.Response
	for range 30 {
		answer, err := http.Get("http://" + s.address + "/v1/status")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusTooManyRequests {
			refused = answer
		}
	}
	if refused == nil {
		t.Fatal("nothing was refused")
	}
	var problem struct{ Code, Detail string }
	if err := json.NewDecoder(refused.Body).Decode(&problem); err != nil || problem.Code != "too_many" || problem.Detail == "" {
		t.Errorf("%v: %+v", err, problem)
	}
	for name, want := range map[string]string{
		"Retry-After": "1", "Content-Type": "application/problem+json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
	} {
		if got := refused.Header.Get(name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	answer, err := http.Get("http://" + s.address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("a probe is answered %s", answer.Status)
	}
}

// A workspace that floods the door keeps nobody else's visitors from their answers.
func TestTheDoorIsAskedNoFasterThanAnAddressMay(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := settings(t)
	cfg.Door.Listen = free.Addr().String()
	cfg.Limits.RequestsPerAddress = 1
	cfg.Door.TrustedProxies = []string{"127.0.0.1"}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, cfg)
	ask := func(path, visitor string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+cfg.Door.Listen+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Forwarded-For", visitor)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	answers := map[int]int{}
	for range 30 {
		answers[ask("/-/door/check/shared/fall-py-ada", "192.0.2.1")]++
	}
	if answers[http.StatusTooManyRequests] == 0 || answers[http.StatusUnauthorized] == 0 {
		t.Errorf("a flood is answered %v", answers)
	}
	if got := ask("/-/door/check/shared/fall-py-ada", "192.0.2.2"); got != http.StatusUnauthorized {
		t.Errorf("another visitor of the router's is answered %d", got)
	}
	if got := ask("/-/door/health", "192.0.2.1"); got != http.StatusNoContent {
		t.Errorf("Consul's check is answered %d", got)
	}
}

func TestBrowsersAreToldToUseHTTPSOnlyWhereItIsServed(t *testing.T) {
	pair := newPair(t)
	cfg := settings(t)
	cfg.TLS.CertFile, cfg.TLS.KeyFile = pair.certFile, pair.keyFile
	for scheme, address := range map[string]string{"https": start(t, cfg).address, "http": start(t, settings(t)).address} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pair.pool(t)}}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get(scheme + "://" + address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if told := answer.Header.Get("Strict-Transport-Security") != ""; told != (scheme == "https") {
			t.Errorf("over %s: %q", scheme, answer.Header.Get("Strict-Transport-Security"))
		}
		if answer.Header.Get("Permissions-Policy") == "" {
			t.Errorf("over %s there is no Permissions-Policy", scheme)
		}
	}
}

func TestARenewedCertificateIsServedAndABrokenOneIsNot(t *testing.T) {
	first, second := newPair(t), newPair(t)
	cfg := settings(t)
	cfg.TLS.CertFile, cfg.TLS.KeyFile = first.certFile, first.keyFile
	s := start(t, cfg)
	trusts := func(p pair) bool {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.pool(t)}}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get("https://" + s.address + "/healthz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return err == nil
	}
	// write puts files in place as they are seconds later.
	moment := time.Now()
	write := func(cert, key []byte) {
		moment = moment.Add(time.Second)
		for path, text := range map[string][]byte{first.certFile: cert, first.keyFile: key} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, moment, moment); err != nil {
				t.Fatal(err)
			}
		}
	}
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if !trusts(first) {
		t.Fatal("the first certificate is not served")
	}
	old := pair{certFile: first.certFile, keyFile: first.keyFile}
	oldPool := old.pool(t)
	write([]byte("half a certif"), read(first.keyFile))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: oldPool}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("https://" + s.address + "/healthz")
	if err != nil {
		t.Fatalf("with a broken file, the certificate of before is not served: %v", err)
	}
	answer.Body.Close()
	write(read(second.certFile), read(second.keyFile))
	if !trusts(second) {
		t.Error("the renewed certificate is not served")
	}
}
