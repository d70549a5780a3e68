package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/app"
	"github.com/bothylabs/bothy/service/config"
)

func TestTheServerServesItsOwnCertificate(t *testing.T) {
	cfg := settings(t)
	pair := newPair(t)
	cfg.TLS.CertFile, cfg.TLS.KeyFile = pair.certFile, pair.keyFile
	s := start(t, cfg)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pair.pool(t)}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("https://" + s.address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("got %s, %v", answer.Status, err)
	}
}

func TestNomadIsTrustedByTheCAFileAndToldWhoBothyIs(t *testing.T) {
	pair := newPair(t)
	var shown string
	nomad := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 1 {
			shown = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		http.Error(w, "Permission denied", http.StatusForbidden)
	}))
	certificate, err := tls.LoadX509KeyPair(pair.certFile, pair.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	nomad.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert}
	nomad.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	nomad.StartTLS()
	defer nomad.Close()

	cases := map[string]struct {
		tls  config.TLS
		says string // part of why Nomad is not ready
	}{
		"a CA that signed it":       {config.TLS{CAFile: pair.certFile, CertFile: pair.certFile, KeyFile: pair.keyFile}, "Permission denied"},
		"an unknown CA":             {config.TLS{}, "certificate signed by unknown authority"},
		"another name":              {config.TLS{CAFile: pair.certFile, ServerName: "nomad.example"}, "not valid for any names"},
		"nothing checked, as asked": {config.TLS{SkipVerify: true}, "Permission denied"},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			client, err := app.NewNomad(config.Nomad{Address: nomad.URL, Namespace: "bothy", TLS: c.tls}, app.Deps{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	if shown != "bothy test" {
		t.Errorf("Nomad was shown the certificate of %q", shown)
	}
}

// pair is a certificate that signs itself, for 127.0.0.1, and its key.
type pair struct{ certFile, keyFile string }

func newPair(t *testing.T) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	template.Subject.CommonName = "bothy test"
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		certFile: file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))),
		keyFile:  file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))),
	}
}

func (p pair) pool(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	certificate, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(certificate.Leaf)
	return pool
}
