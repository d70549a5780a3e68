package look_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/look"
)

// What WCAG 2.2 AA wants between a text and its ground, and between a part that one
// has to see, such as a field's border or the ring around what has the focus, and
// what it is on.
const (
	ofText = 4.5
	ofPart = 3.0
)

func TestWhatIsWrittenCanBeReadInLightAndDark(t *testing.T) {
	light, dark := palettes(t)
	for name, palette := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, pair := range []struct {
			on, ground string
			least      float64
		}{
			{"text", "ground", ofText},
			{"text", "card", ofText},
			{"text", "code", ofText},
			{"text", "off-ground", ofText},
			{"soft", "ground", ofText},
			{"soft", "card", ofText},
			{"accent", "ground", ofText},
			{"accent", "card", ofText},
			{"on-accent", "accent", ofText},
			{"good", "good-ground", ofText},
			{"busy", "busy-ground", ofText},
			{"bad", "bad-ground", ofText},
			{"bad", "card", ofText},
			{"field", "ground", ofPart},
			{"field", "card", ofPart},
		} {
			got := contrast(t, palette[pair.on], palette[pair.ground])
			if got < pair.least {
				t.Errorf("%s: %s on %s is %.2f to 1, not %.1f", name, pair.on, pair.ground, got, pair.least)
			}
		}
	}
}

func TestTheStyleLoadsNothingAndFitsIntoAPage(t *testing.T) {
	for _, no := range []string{"url(", "@import", "<", "/*"} {
		if strings.Contains(look.Style(), no) {
			t.Errorf("the style has %q", no)
		}
	}
	if !strings.Contains(look.Style(), ":focus-visible { outline: ") {
		t.Error("nothing shows what has the focus")
	}
	if strings.Contains(look.Mark(), "style") || !strings.Contains(look.Mark(), `aria-hidden="true"`) {
		t.Error("the mark can't be part of a page")
	}
}

// palettes reads the colours by their names.
func palettes(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(look.Style(), -1)
	if len(blocks) != 2 {
		t.Fatalf("there are %d palettes, not a light and a dark one", len(blocks))
	}
	read := func(block string) map[string]string {
		colours := map[string]string{}
		for _, c := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]+);`).FindAllStringSubmatch(block, -1) {
			colours[c[1]] = c[2]
		}
		return colours
	}
	light, dark = read(blocks[0][1]), read(blocks[1][1])
	for name := range light {
		if dark[name] == "" {
			t.Errorf("there is no dark %s", name)
		}
	}
	return light, dark
}

// contrast is the ratio that WCAG defines.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	light, dark := luminance(t, a), luminance(t, b)
	if light < dark {
		light, dark = dark, light
	}
	return (light + 0.05) / (dark + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	digits := strings.TrimPrefix(colour, "#")
	if len(digits) == 3 {
		digits = fmt.Sprintf("%[1]c%[1]c%[2]c%[2]c%[3]c%[3]c", digits[0], digits[1], digits[2])
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || len(digits) != 6 {
		t.Fatalf("%q is no colour", colour)
	}
	linear := func(part uint64) float64 {
		c := float64(part&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
}
