package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// tryout is one sign-in by the provider on its way. Nothing of it is stored: a secret
// in the browser's cookie is the key that seals it into the state which the provider
// hands back, and of which nonce and code verifier are derived. So a state is good in
// the browser alone that it was made for.
type tryout struct {
	// Began is in seconds since 1970.
	Began int64 `json:"t"`
	// To is where the person wanted to go.
	To string `json:"to"`
}

func (t tryout) began() time.Time { return time.Unix(t.Began, 0) }

// seal makes a state of it.
func (t tryout) seal(secret string, random io.Reader) (string, error) {
	aead, err := sealer(secret)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("write the state: %w", err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return "", fmt.Errorf("make a state: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, text, nil)), nil
}

// errState is a state that was not sealed with the secret.
var errState = errors.New("the state is not of this browser")

// unseal opens a state.
func unseal(secret, state string) (t tryout, err error) {
	aead, err := sealer(secret)
	if err != nil {
		return t, err
	}
	// Strictly: no other text is the same state.
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(state)
	if err != nil || len(sealed) < aead.NonceSize() {
		return t, errState
	}
	text, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil || json.Unmarshal(text, &t) != nil {
		return t, errState
	}
	return t, nil
}

func sealer(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "bothy sign-in state", 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make a cipher: %w", err)
	}
	return aead, nil
}

// derive gives what belongs to a state, for one purpose, as 43 characters of base64url.
func derive(secret, state, purpose string) (string, error) {
	made, err := hkdf.Key(sha256.New, []byte(secret), []byte(state), "bothy sign-in "+purpose, 32)
	if err != nil {
		return "", fmt.Errorf("derive the %s: %w", purpose, err)
	}
	return base64.RawURLEncoding.EncodeToString(made), nil
}

// proofs gives the nonce and the code verifier that belong to a state.
func proofs(secret, state string) (nonce, verifier string, err error) {
	if nonce, err = derive(secret, state, "nonce"); err != nil {
		return "", "", err
	}
	verifier, err = derive(secret, state, "verifier")
	return nonce, verifier, err
}
