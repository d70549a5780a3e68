package config

import (
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// ParseStore reads where a database is, as a command line says it:
// "sqlite:/var/lib/bothy/bothy.db", "postgres:/etc/bothy.d/store.dsn" (the file
// with its URL), or "postgres" alone for the URL in BOTHY_STORE_DSN. A URL itself
// is refused: it may hold a password, and command lines are visible to everyone on
// a machine. name is what an error calls the text.
func ParseStore(name, text string, lookup func(name string) (string, bool)) (Store, error) {
	const (
		form     = "write sqlite:<file>, postgres:<file with the URL>, or postgres for the URL in BOTHY_STORE_DSN"
		variable = "BOTHY_STORE_DSN"
	)
	wrong := func(problem, remedy string) (Store, error) {
		return Store{}, lab.Invalid("the store is not named as it should be", lab.Field{Name: name, Problem: problem, Remedy: remedy})
	}
	driver, place, named := strings.Cut(text, ":")
	s := Default().Store
	s.Driver = driver
	switch {
	case strings.HasPrefix(place, "//"):
		return wrong("is a URL, which may hold a password", "put it into a file with mode 0600 and write postgres:<file>")
	case driver == "sqlite" && place != "":
		s.Path = place
		return s, nil
	case driver == "postgres" && place != "":
		s.DSN = Credential{File: place}
	case driver == "postgres" && !named:
		dsn, _ := lookup(variable)
		if dsn == "" {
			return wrong("names no file, and "+variable+" is not set", form)
		}
		if err := secretValue(&s.DSN)([]string{dsn}); err != nil {
			return wrong(variable+" holds a space or control character", "give the URL alone")
		}
	default:
		return wrong("is not a store", form)
	}
	if _, err := s.DSN.Read(); err != nil {
		return wrong(err.Error(), "put the URL of the database alone into the file, with mode 0600")
	}
	return s, nil
}
