package app

import (
	"crypto/tls"
	"errors"
	"fmt"

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
// are read again for each new connection, so that a renewed certificate needs no restart.
func listenerTLS(t config.ListenerTLS) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		return &pair, nil
	}
	if _, err := load(nil); err != nil {
		return nil, &lab.Error{Code: lab.CodeInvalid, Message: "the TLS settings cannot be used", Cause: err, Fields: []lab.Field{
			{Name: "tls.cert_file", Problem: "is no certificate that fits key_file", Remedy: "name a certificate and its key in PEM"},
		}}
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: load, NextProtos: []string{"h2", "http/1.1"}}, nil
}
