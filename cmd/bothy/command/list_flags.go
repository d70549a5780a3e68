package command

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/bothylabs/bothy/service/client"
)

// listFlags are what every list takes.
type listFlags struct {
	search, sort string
	limit        int
}

// flags declares them; sorts are what the list can be sorted by, its own order first.
func (l *listFlags) flags(f *flags, sorts ...string) {
	f.group("Options", func(set *flag.FlagSet) {
		set.StringVar(&l.search, "search", "", "Show only what has this `text` in one of its names, in whatever case.")
		set.StringVar(&l.sort, "sort", "", "Sort in this `order`: "+alternatives(sorts)+", with a minus before it for the other way round. Without it, by "+sorts[0]+".")
		set.IntVar(&l.limit, "limit", 0, "Show at most this `number`; without it, all.")
	})
}

func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func (l *listFlags) options() (client.ListOptions, error) {
	if l.limit < 0 {
		return client.ListOptions{}, usagef("-limit %d: give a number of at least 1", l.limit)
	}
	return client.ListOptions{Search: l.search, Sort: l.sort, Limit: l.limit}, nil
}

// choice is a flag of three states: -deleting, -deleting=false, and not given.
type choice struct{ wanted *bool }

// String implements flag.Value.
func (c *choice) String() string {
	if c.wanted == nil {
		return ""
	}
	return strconv.FormatBool(*c.wanted)
}

// Set implements flag.Value.
func (c *choice) Set(text string) error {
	wanted, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", text)
	}
	c.wanted = &wanted
	return nil
}

// IsBoolFlag lets the flag stand without a value.
func (*choice) IsBoolFlag() bool { return true }

// phaseList is a flag of phases with commas between them, which may be given several times.
type phaseList []client.Phase

// String implements flag.Value.
func (p *phaseList) String() string {
	words := make([]string, len(*p))
	for i, phase := range *p {
		words[i] = string(phase)
	}
	return strings.Join(words, ",")
}

// Set implements flag.Value.
func (p *phaseList) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		phase := client.Phase(strings.TrimSpace(word))
		if !knownPhase(phase) {
			return fmt.Errorf("%q is no phase; use %s", phase, alternatives(phaseWords()))
		}
		*p = append(*p, phase)
	}
	return nil
}

func phaseWords() []string {
	var words []string
	for _, phase := range phaseOrder() {
		words = append(words, string(phase))
	}
	return words
}

func knownPhase(phase client.Phase) bool {
	for _, known := range phaseOrder() {
		if string(known) == string(phase) {
			return true
		}
	}
	return false
}
