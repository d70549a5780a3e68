package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"unicode"
)

// hidden is what stands wherever a secret would have been printed.
const hidden = "(hidden)"

// maxSecretFile bounds what is read of a secret's file, in bytes: a token is
// short, and a wrong path may name anything.
const maxSecretFile = 64 << 10

// Secret is a text that no way of printing shows: not fmt's verbs, not JSON, not
// slog, not a struct that holds it in an unexported field. Only Reveal gives it.
type Secret struct {
	// A pointer, because fmt prints the content of unexported fields without
	// asking their type; of a pointer it prints the address.
	text *string
}

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{text: &text} }

// Reveal gives the text, "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero says whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Format hides the text from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// String gives "(hidden)", or "" when there is nothing to hide.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// GoString hides the text from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the text from JSON and every other text encoding.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Credential is a secret and where it comes from: the environment (Value) or a file (File).
// At most one of the two is set.
type Credential struct {
	Value Secret
	File  string
	// From is where Load found it, for people: "environment variable NOMAD_TOKEN".
	From string
	// Passed is the file that a weaker source names, and that is passed over for it.
	Passed string
}

// IsSet says whether the credential names a source at all.
func (c Credential) IsSet() bool { return !c.Value.IsZero() || c.File != "" }

// Read gives the secret as it is now: a file is read again on each call, so that
// a rotated token is taken up without a restart. Without a source it gives the
// zero Secret.
func (c Credential) Read() (Secret, error) {
	if c.File == "" {
		return c.Value, nil
	}
	return readSecretFile(c.File)
}

func readSecretFile(path string) (Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return Secret{}, plainPathError(err)
	}
	defer func() { _ = file.Close() }() // it was only read

	info, err := file.Stat()
	if err != nil {
		return Secret{}, plainPathError(err)
	}
	if info.IsDir() {
		return Secret{}, fmt.Errorf("%s is a directory", path)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0 {
		return Secret{}, fmt.Errorf("%w: %s has mode %04o", errTooOpen, path, info.Mode().Perm())
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return Secret{}, plainPathError(err)
	}
	if len(content) > maxSecretFile {
		return Secret{}, fmt.Errorf("%s holds more than %d bytes and so no secret", path, maxSecretFile)
	}
	text := strings.TrimSpace(string(content))
	if text == "" {
		return Secret{}, fmt.Errorf("%s is empty", path)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return Secret{}, fmt.Errorf("%s holds more than one line and so no secret", path)
	}
	return NewSecret(text), nil
}

// errTooOpen is a secret's file that everybody on the machine may read.
var errTooOpen = errors.New("readable by every user of this machine")

// plainPathError drops the name of the system call: "bothy.hcl: no such file or directory".
func plainPathError(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return fmt.Errorf("%s: %w", pathErr.Path, pathErr.Err)
	}
	return err
}
