package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/go-rootcerts"

	"github.com/bothylabs/bothy/service/config"
	"github.com/bothylabs/bothy/service/lab"
)

// clientTLS is how a server is spoken to; nil where nothing is set, which means
// the system's own roots. block names the settings in errors.
func clientTLS(block string, t config.TLS) (*tls.Config, error) {
	if t == (config.TLS{}) {
		return nil, nil
	}
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: t.ServerName,
		// Off unless the operator's setting asks for it.
		InsecureSkipVerify: t.SkipVerify, //nolint:gosec // see above
	}
	var fields []lab.Field
	var causes []error
	if err := rootcerts.ConfigureTLS(c, &rootcerts.Config{CAFile: t.CAFile, CAPath: t.CAPath}); err != nil {
		causes = append(causes, err)
		fields = append(fields, lab.Field{Name: block + ".ca_file", Problem: "holds no CA certificates that can be used", Remedy: "name a file or folder of certificates in PEM"})
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			causes = append(causes, err)
			fields = append(fields, lab.Field{Name: block + ".cert_file", Problem: "is no certificate that fits key_file", Remedy: "name a certificate and its key in PEM"})
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if len(fields) > 0 {
		return nil, &lab.Error{Code: lab.CodeInvalid, Message: "the TLS settings cannot be used", Fields: fields, Cause: errors.Join(causes...)}
	}
	return c, nil
}

// listenerTLS is the certificate that Bothy serves; nil for plain HTTP. The files
// are read again when they have changed, so that a renewed certificate needs no
// restart. While they can't be used, as halfway through a renewal, the one of before
// is served.
func listenerTLS(t config.ListenerTLS) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	served := &servedPair{files: t}
	if err := served.load(); err != nil {
		return nil, &lab.Error{Code: lab.CodeInvalid, Message: "the TLS settings cannot be used", Cause: err, Fields: []lab.Field{
			{Name: "tls.cert_file", Problem: "is no certificate that fits key_file", Remedy: "name a certificate and its key in PEM"},
		}}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: served.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// servedPair is a certificate that is read from files.
type servedPair struct {
	files config.ListenerTLS

	mu   sync.Mutex
	pair *tls.Certificate
	// version is what the files looked like when pair was read.
	version string
}

// get gives the newest certificate that can be used.
func (s *servedPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen() != s.version {
		_ = s.load() // the one of before is served on
	}
	return s.pair, nil
}

// load reads the files. Whoever calls it is alone with the pair.
func (s *servedPair) load() error {
	version := s.seen()
	pair, err := tls.LoadX509KeyPair(s.files.CertFile, s.files.KeyFile)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	s.pair, s.version = &pair, version
	return nil
}

// seen says what the files look like; it differs when one was written.
func (s *servedPair) seen() string {
	seen := ""
	for _, path := range []string{s.files.CertFile, s.files.KeyFile} {
		if info, err := os.Stat(path); err == nil {
			seen += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
		}
	}
	return seen
}
