package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	const hush = "hvs.hush"
	type outer struct {
		Shown  Secret
		hidden Secret
		Deep   *Credential
	}
	secret := NewSecret(hush)
	holders := []any{secret, &secret, outer{secret, secret, &Credential{Value: secret}}, []Secret{secret}, map[string]Secret{"k": secret}, Config{Nomad: Nomad{Token: Credential{Value: secret}}}}

	for _, holder := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			if printed := fmt.Sprintf(verb, holder); strings.Contains(printed, hush) || strings.Contains(strings.ToLower(printed), fmt.Sprintf("%x", hush)) {
				t.Errorf("%s of %T shows it: %s", verb, holder, printed)
			}
		}
		encoded, err := json.Marshal(holder)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(encoded), hush) {
			t.Errorf("JSON of %T shows it: %s", holder, encoded)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("token", "value", holder)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("token", "value", holder)
		if strings.Contains(log.String(), hush) {
			t.Errorf("slog of %T shows it: %s", holder, log.String())
		}
	}
	if secret.Reveal() != hush {
		t.Error("Reveal must give the text")
	}
}

func TestTheZeroSecretIsEmpty(t *testing.T) {
	var s Secret
	if !s.IsZero() || s.Reveal() != "" || fmt.Sprint(s) != "" {
		t.Errorf("the zero secret prints %q and reveals %q", fmt.Sprint(s), s.Reveal())
	}
}

func TestASecretFileMustHoldOneLine(t *testing.T) {
	dir := t.TempDir()
	cases := map[string]struct{ content, want string }{
		"empty":     {" \n", "is empty"},
		"two lines": {"one\ntwo\n", "more than one line"},
		"huge":      {strings.Repeat("x", maxSecretFile+1), "more than 65536 bytes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := (Credential{File: path}).Read(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := (Credential{File: dir}).Read(); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("of a folder: got %v", err)
	}
}

func TestAPasswordInAFileMayHaveBlanks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("correct horse battery\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if secret, err := (Credential{File: path}).Read(); err != nil || secret.Reveal() != "correct horse battery" {
		t.Errorf("got %q, %v", secret.Reveal(), err)
	}
}
