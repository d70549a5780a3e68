package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// valueError is what is wrong with one value, and what to do about it.
type valueError struct{ what, remedy string }

// Error gives both; load.go takes them apart again.
func (p valueError) Error() string { return p.what + " (" + p.remedy + ")" }

// A value reads one setting's text into its place in a Config. Lists arrive as
// their items, everything else as exactly one text.
type value func(texts []string) error

func scalar(set func(text string) error) value {
	return func(texts []string) error {
		if len(texts) != 1 {
			return valueError{"is a list", "write one value"}
		}
		return set(texts[0])
	}
}

func text(target *string) value {
	return scalar(func(s string) error {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return valueError{"holds a control character", "remove it"}
		}
		*target = s
		return nil
	})
}

func list(target *[]string) value {
	return func(texts []string) error {
		if len(texts) == 0 || slices.Contains(texts, "") {
			return valueError{"holds no name, or an empty one", "name at least one, each once"}
		}
		*target = slices.Clone(texts)
		return nil
	}
}

// networks takes IP addresses and networks in CIDR notation.
func networks(target *[]string) value {
	return func(texts []string) error {
		for _, s := range texts {
			_, notAddress := netip.ParseAddr(s)
			_, notNetwork := netip.ParsePrefix(s)
			if notAddress != nil && notNetwork != nil {
				return valueError{fmt.Sprintf("%q is neither an address nor a network", s), `write for example "10.0.0.0/8"`}
			}
		}
		*target = slices.Clone(texts)
		return nil
	}
}

func boolean(target *bool) value {
	return scalar(func(s string) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return valueError{fmt.Sprintf("%q is neither true nor false", s), "write true or false"}
		}
		*target = b
		return nil
	})
}

func integer(target *int, low, high int) value {
	return scalar(func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < low || n > high {
			return valueError{fmt.Sprintf("%q is not a whole number from %d to %d", s, low, high), fmt.Sprintf("write a number from %d to %d", low, high)}
		}
		*target = n
		return nil
	})
}

func duration(target *time.Duration, low, high time.Duration) value {
	return scalar(func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < low || d > high {
			return valueError{fmt.Sprintf("%q is not a duration from %s to %s", s, low, high), `write a number with its unit, such as "30s"`}
		}
		*target = d
		return nil
	})
}

// longestRetention is a hundred years.
const longestRetention = 876_000 * time.Hour

// retention takes how long something is kept, 0 for ever.
func retention(target *time.Duration) value {
	return scalar(func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d != 0 && (d < 24*time.Hour || d > longestRetention) {
			return valueError{fmt.Sprintf("%q is neither 0 nor a duration from 24h to 876000h", s), `write for example "2160h" for 90 days, or "0" to keep it for ever`}
		}
		*target = d
		return nil
	})
}

func oneOf(target *string, choices ...string) value {
	return scalar(func(s string) error {
		if !slices.Contains(choices, s) {
			return valueError{fmt.Sprintf("%q is not one of the choices", s), "choose " + strings.Join(choices, " or ")}
		}
		*target = s
		return nil
	})
}

// names are what Nomad accepts for namespaces and node pools, and Vault for roles.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

func name(target *string) value {
	return scalar(func(s string) error {
		if !nameForm.MatchString(s) {
			return valueError{fmt.Sprintf("%q is not a name", s), "use letters, digits, - and _, at most 128"}
		}
		*target = s
		return nil
	})
}

var instanceForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._:-]{0,127}$`)

// instanceName takes what tells instances apart: a host's name, also with a port.
func instanceName(target *string) value {
	return scalar(func(s string) error {
		if !instanceForm.MatchString(s) {
			return valueError{fmt.Sprintf("%q is not a name of an instance", s), "use letters, digits and . _ : -, at most 128"}
		}
		*target = s
		return nil
	})
}

var keyForm = regexp.MustCompile(`^[a-zA-Z0-9._-]+(/[a-zA-Z0-9._-]+)*$`)

// keyPath takes a key of Consul's KV store.
func keyPath(target *string) value {
	return scalar(func(s string) error {
		if !keyForm.MatchString(s) || len(s) > 512 {
			return valueError{fmt.Sprintf("%q is not a key", s), `write for example "bothy/reconciler", without a slash at its ends`}
		}
		*target = s
		return nil
	})
}

var mountForm = regexp.MustCompile(`^[a-zA-Z0-9_-]+(/[a-zA-Z0-9_-]+)*$`)

func mount(target *string) value {
	return scalar(func(s string) error {
		s = strings.Trim(s, "/")
		if !mountForm.MatchString(s) {
			return valueError{fmt.Sprintf("%q is not the path of a mount", s), "use letters, digits, - and _, with / between parts"}
		}
		*target = s
		return nil
	})
}

// listenAddress takes host:port; the host may be empty, for every address of the machine.
func listenAddress(target *string) value {
	return scalar(func(s string) error {
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			return valueError{fmt.Sprintf("%q is not host:port", s), `write for example "127.0.0.1:8080", or ":8080" for every address`}
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			return valueError{fmt.Sprintf("port %q is not a number from 0 to 65535", port), "choose a free port"}
		}
		*target = net.JoinHostPort(host, port)
		return nil
	})
}

// mailAddress takes an address, with or without a name.
func mailAddress(target *string) value {
	return scalar(func(s string) error {
		if _, err := mail.ParseAddress(s); err != nil {
			return valueError{fmt.Sprintf("%q is not an address", s), `write for example "Bothy <bothy@example.edu>"`}
		}
		*target = s
		return nil
	})
}

// origin takes scheme://host[:port] and nothing more: paths are Bothy's to choose.
func origin(target *string) value {
	return scalar(func(s string) error {
		u, err := webURL(s)
		if err != nil {
			return err
		}
		if strings.Trim(u.Path, "/") != "" {
			return valueError{fmt.Sprintf("%q has a path", s), "end it after the host and port"}
		}
		*target = u.Scheme + "://" + u.Host
		return nil
	})
}

// plainOrigin takes http://host[:port], or nothing where there is none.
func plainOrigin(target *string) value {
	return scalar(func(s string) error {
		if s == "" {
			*target = ""
			return nil
		}
		if strings.HasPrefix(s, "https:") {
			return valueError{"begins with https://", "write http://: it is asked on the cluster's own network"}
		}
		return origin(target)([]string{s})
	})
}

// addressPort takes an IPv4 address and a port.
func addressPort(target *string) value {
	return scalar(func(s string) error {
		if a, err := netip.ParseAddrPort(s); err != nil || !a.Addr().Is4() {
			return valueError{fmt.Sprintf("%q is not an address and a port", s), `write for example "10.0.0.2:53"`}
		}
		*target = s
		return nil
	})
}

// serverAddress takes the URL of a HashiCorp server.
func serverAddress(target *string) value {
	return scalar(func(s string) error {
		u, err := webURL(s)
		if err != nil {
			return err
		}
		*target = strings.TrimRight(u.String(), "/")
		return nil
	})
}

func webURL(s string) (*url.URL, error) {
	const remedy = `write for example "https://nomad.example.com:4646"`
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// url.Parse puts the whole text into its error, a password in it included.
		var parse *url.Error
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, valueError{fmt.Sprintf("is not a URL: %v", err), remedy}
	case u.User != nil:
		return nil, valueError{"holds a user name or password", "give credentials by token_file or the environment, never in an address"}
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return nil, valueError{fmt.Sprintf("%q is not an http or https URL", s), remedy}
	case u.RawQuery != "" || u.Fragment != "":
		return nil, valueError{fmt.Sprintf("%q has a query or fragment", s), "end it after the host and port"}
	}
	return u, nil
}

// secretFile and secretValue are the two ways to one credential: the later source wins whole.
func secretFile(target *Credential) value {
	return scalar(func(s string) error {
		*target = Credential{File: s}
		return nil
	})
}

func secretValue(target *Credential) value {
	return scalar(func(s string) error {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return valueError{"holds a space or control character", "give the secret alone"}
		}
		*target = Credential{Value: NewSecret(s)}
		return nil
	})
}
