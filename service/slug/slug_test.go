package slug_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/slug"
)

func TestKeyOfNastyNames(t *testing.T) {
	for name, want := range map[string]string{
		"Fall 26":                             "fall-26",
		"fall-26":                             "fall-26",
		"  Fall   26  ":                       "fall-26",
		"py101":                               "py101",
		"Zoë Müller":                          "zoe-muller",
		"Zoe\u0308 Mu\u0308ller":              "zoe-muller", // the same, decomposed
		"Łukasz Żółć":                         "lukasz-zolc",
		"Ærøskøbing":                          "aeroskobing",
		"Straße":                              "strasse",
		"Þórður":                              "thordur",
		"Нина":                                "nina",
		"Ελένη":                               "elene",
		"李小龍":                                 "li-xiao-long",
		"さくら":                                 "sakura",
		"محمد":                                "mhmd",
		"O'Brien":                             "obrien",
		"Anne-Marie":                          "anne-marie",
		"a_b":                                 "a-b",
		"__a__b__":                            "a-b",
		"--a--b--":                            "a-b",
		"a.b/c\\d":                            "a-b-c-d",
		"../../etc/passwd":                    "etc-passwd",
		"${attr.unique.hostname}":             "attr-unique-hostname",
		"{{ env \"PATH\" }}":                  "env-path",
		"; return 200;":                       "return-200",
		"<script>alert(1)</script>":           "script-alert-1-script",
		"ｆｕｌｌ ｗｉｄｔｈ":                          "full-width",
		"ﬁrst":                                "first",
		"line\nbreak":                         "line-break",
		"nul\x00nul":                          "nul-nul",
		"\u202eevil":                          "evil",
		"bad\xff\xfeutf8":                     "badutf8",
		"R&D":                                 "randd",
		"C++":                                 "c",
		"🎉":                                   "xmfdcth",
		"🎉🎉":                                  "xto73gq",
		"":                                    "x4oymiq",
		" ":                                   "xg2u6p4",
		"---":                                 "xzm7zdv",
		strings.Repeat("a", 24):               strings.Repeat("a", 24),
		strings.Repeat("a", 25):               "aaaaaaaaaaaaaaaaa-",
		"Introduction to Programming":         "introduction-to-p-",
		"Introduction to Programming II":      "introduction-to-p-",
		"sixteen-letters-- and a long rest":   "sixteen-letters-a-",
		"exactly17-letter- then a hyphen cut": "exactly17-letter-",
	} {
		t.Run(name, func(t *testing.T) {
			got := slug.Key(name)
			if strings.HasSuffix(want, "-") { // the hash that follows is not written out
				if !strings.HasPrefix(got, want) || len(got) != len(want)+6 {
					t.Errorf("Key(%q) = %q, want %q and a hash", name, got, want)
				}
				return
			}
			if got != want {
				t.Errorf("Key(%q) = %q, want %q", name, got, want)
			}
		})
	}
}

func TestLongNamesThatBeginAlikeStayDifferent(t *testing.T) {
	one, two := slug.Key("Introduction to Programming"), slug.Key("Introduction to Programming II")
	if one == two {
		t.Errorf("both are %q", one)
	}
}

func TestCandidatesAreNumberedFromTheSecond(t *testing.T) {
	var got []lab.Slug
	for s := range slug.Candidates("fall-26", "py101", "Ada Lovelace") {
		if got = append(got, s); len(got) == 3 {
			break
		}
	}
	want := []lab.Slug{"fall-26-py101-ada-lovelace", "fall-26-py101-ada-lovelace-2", "fall-26-py101-ada-lovelace-3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestClassesWhoseNamesRunTogetherShareCandidates(t *testing.T) {
	// That the two are one text is why the store, not this package, decides.
	if a, b := first("a-b", "c", "d"), first("a", "b-c", "d"); a != b {
		t.Errorf("%q and %q: want the same text", a, b)
	}
}

func TestAssignGivesEqualNamesDifferentSlugs(t *testing.T) {
	got := slug.Assign("f", "p", []string{"Ada", "ADA", "Ada 2", "Adá", "Bob"})
	want := []lab.Slug{"f-p-ada", "f-p-ada-2", "f-p-ada-2-2", "f-p-ada-3", "f-p-bob"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestKeyHoldsForAnyName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := anyName().Draw(t, "name")
		key := slug.Key(name)
		if _, err := lab.ParseSlug(key); err != nil || len(key) > slug.MaxKey {
			t.Fatalf("Key(%q) = %q: not a slug of %d characters or fewer", name, key, slug.MaxKey)
		}
		if again := slug.Key(name); again != key {
			t.Fatalf("Key(%q) = %q, then %q", name, key, again)
		}
		if of := slug.Key(key); of != key {
			t.Fatalf("Key(%q) = %q, whose key is %q", name, key, of)
		}
	})
}

func TestCandidatesHoldForAnyNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cohort := slug.Key(anyName().Draw(t, "cohort"))
		course := slug.Key(anyName().Draw(t, "course"))
		student := anyName().Draw(t, "student")
		seen := map[lab.Slug]bool{}
		for s := range slug.Candidates(cohort, course, student) {
			if _, err := lab.ParseSlug(s.String()); err != nil {
				t.Fatalf("%q is not a slug", s)
			}
			if !strings.HasPrefix(s.String(), cohort+"-"+course+"-") {
				t.Fatalf("%q does not begin with its class %q, %q", s, cohort, course)
			}
			if seen[s] {
				t.Fatalf("%q is offered twice", s)
			}
			if seen[s] = true; len(seen) == 150 {
				return
			}
		}
		t.Fatalf("only %d candidates", len(seen))
	})
}

func TestTheLastCandidateIsValid(t *testing.T) {
	long := strings.Repeat("k", slug.MaxKey)
	var last lab.Slug
	n := 0
	for s := range slug.Candidates(long, long, strings.Repeat("student ", 20)) {
		last = s
		n++
	}
	if _, err := lab.ParseSlug(last.String()); err != nil || n != slug.MaxCandidates {
		t.Errorf("candidate %d is %q: %v", n, last, err)
	}
}

func first(cohort, course, student string) lab.Slug {
	for s := range slug.Candidates(cohort, course, student) {
		return s
	}
	return ""
}

// anyName draws names of all scripts, of the text that the programs behind a
// slug would interpret, and of bytes that are no text at all.
func anyName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[a-c-]{1,30}`),
		rapid.StringMatching(`[A-Za-z' _.-]{20,90}`),
		rapid.StringOfN(rapid.SampledFrom([]rune("ÆøßŁ李Нλ🎉 -_${}%/\\\"'\n\x00\u202e")), 0, 80, -1),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}
