package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/bothylabs/bothy/service/api"
	"github.com/bothylabs/bothy/service/lab"
)

// parameter says whether the contract gives an operation a parameter.
func (d documented) parameter(in, name string) bool {
	return d.Operation.Parameters.GetByInAndName(in, name) != nil
}

// writes says whether an operation changes something; a question that needs a body does not.
func (d documented) writes() bool {
	return d.Method != http.MethodGet && d.Operation.Extensions["x-safe"] == nil
}

// write sends the example of an operation that writes, with some headers: "Name: value".
func (b *bench) write(d documented, query string, headers ...string) answer {
	r := d.request()
	r.URL.RawQuery = query
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return b.do(r)
}

func TestEveryWriteDeclaresItsConditions(t *testing.T) {
	doc := document(t, newBench(t))
	for id, d := range operations(t, doc) {
		switch {
		case !d.writes():
			for _, name := range []string{"If-Match", "Idempotency-Key"} {
				if d.parameter(openapi3.ParameterInHeader, name) {
					t.Errorf("%s reads, and takes %s", id, name)
				}
			}
			continue
		case !d.parameter(openapi3.ParameterInQuery, "dry_run"):
			t.Errorf("%s writes and has no dry_run", id)
		case d.parameter(openapi3.ParameterInHeader, "If-Match") != (d.Operation.Responses.Value("412") != nil):
			t.Errorf("%s: If-Match and the answer 412 go together", id)
		case !d.parameter(openapi3.ParameterInHeader, "If-Match") && !d.parameter(openapi3.ParameterInHeader, "Idempotency-Key"):
			t.Errorf("%s writes and takes no condition", id)
		}
		for status, response := range d.Operation.Responses.Map() {
			if status >= "300" {
				continue
			}
			want := []string{"Bothy-Dry-Run"}
			if status != "204" {
				want = append(want, "ETag")
			}
			if d.parameter(openapi3.ParameterInHeader, "Idempotency-Key") {
				want = append(want, "Idempotency-Replayed")
			}
			for _, name := range want {
				if response.Value.Headers[name] == nil {
					t.Errorf("%s: the answer %s does not declare %s", id, status, name)
				}
			}
		}
	}
}

func TestWhatIsReadAndWhatIsChangedHasItsRevision(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		answer := b.do(d.request())
		got := answer.Header.Get("ETag")
		list := strings.HasPrefix(id, "list") || strings.HasPrefix(id, "plan") || id == "getStatus" || id == "getMe" || id == "exportStudent" || id == "exportUser" || id == "linkWorkspace" || d.streams()
		if (got == "") != (list || answer.StatusCode == http.StatusNoContent) {
			t.Errorf("%s answers %d with the ETag %q", id, answer.StatusCode, got)
		}
	}
}

func TestTheConditionsReachTheRegistrar(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		if !d.writes() || !d.parameter(openapi3.ParameterInHeader, "If-Match") {
			continue
		}
		b.registrar.answers(nil)
		answer := b.write(d, "dry_run=true", `If-Match: "7", "8"`)
		if answer.StatusCode >= http.StatusMultipleChoices {
			t.Fatalf("%s: %s", id, answer.Body)
		}
		conforms(t, d, answer)
		want := lab.Intent{Actor: lab.Actor{Name: "token:test", Role: lab.RoleAdmin, Remote: "192.0.2.1"}, Operation: id, DryRun: true, Match: []int64{7, 8}}
		if diff := cmp.Diff(want, b.registrar.called()[0].Intent); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
}

func TestADryRunSaysSoAndItsRevisionMatchesNothing(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		if !d.writes() {
			continue
		}
		answer := b.write(d, "dry_run=true")
		if got := answer.Header.Get("Bothy-Dry-Run"); got != "true" {
			t.Errorf("%s: Bothy-Dry-Run: %q", id, got)
		}
		if tag := answer.Header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, `W/"`) {
			t.Errorf("%s: the ETag %s could be taken for one of something that is", id, tag)
		}
		if got := b.write(d, "dry_run=false").Header.Values("Bothy-Dry-Run"); len(got) > 0 {
			t.Errorf("%s: Bothy-Dry-Run: %q", id, got)
		}
	}
}

func TestIfMatchIsReadAsHTTPHasIt(t *testing.T) {
	b := newBench(t)
	update := operations(t, document(t, b))["updateCourse"]
	for name, test := range map[string]struct {
		headers []string
		want    []int64
		refused bool
	}{
		"none":               {nil, nil, false},
		"one":                {[]string{`"7"`}, []int64{7}, false},
		"a list":             {[]string{`"7", "8"`}, []int64{7, 8}, false},
		"a list in two":      {[]string{`"7"`, `"8"`}, []int64{7, 8}, false},
		"a list with holes":  {[]string{`, "7" ,, "8",`}, []int64{7, 8}, false},
		"any":                {[]string{`*`}, nil, false},
		"weak":               {[]string{`W/"7"`}, []int64{}, false},
		"weak and strong":    {[]string{`W/"7","8"`}, []int64{8}, false},
		"no revision":        {[]string{`"abc"`}, []int64{}, false},
		"a padded number":    {[]string{`"07"`, `"+7"`, `" 7"`}, []int64{}, true},
		"an odd number":      {[]string{`"07", "+7", "99999999999999999999"`}, []int64{}, false},
		"a tag with a comma": {[]string{`"a,b"`}, []int64{}, false},
		"an empty tag":       {[]string{`""`}, []int64{}, false},
		"no quotes":          {[]string{`7`}, nil, true},
		"half a quote":       {[]string{`"7`}, nil, true},
		"no comma":           {[]string{`"7" "8"`}, nil, true},
		"nothing":            {[]string{``}, nil, true},
		"only a comma":       {[]string{`,`}, nil, true},
		"any among others":   {[]string{`*, "7"`}, nil, true},
		"lower case weak":    {[]string{`w/"7"`}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			b.registrar.answers(nil)
			r := update.request()
			if test.headers != nil {
				r.Header["If-Match"] = test.headers
			}
			answer := b.do(r)
			if test.refused {
				p := problem(t, answer, http.StatusBadRequest)
				if diff := cmp.Diff([]string{"If-Match"}, fieldNames(p)); diff != "" || len(b.registrar.called()) != 0 {
					t.Errorf("%s%v", diff, b.registrar.called())
				}
				return
			}
			if answer.StatusCode != http.StatusOK {
				t.Fatal(answer.Body)
			}
			if diff := cmp.Diff(test.want, b.registrar.called()[0].Match); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAConditionThatAnOperationDoesNotKnowIsRefused(t *testing.T) {
	b := newBench(t)
	for id, d := range operations(t, document(t, b)) {
		if !d.writes() {
			continue
		}
		for name, value := range map[string]string{"If-Match": `"7"`, "Idempotency-Key": "key"} {
			if d.parameter(openapi3.ParameterInHeader, name) {
				continue
			}
			p := problem(t, b.write(d, "", name+": "+value), http.StatusBadRequest)
			if diff := cmp.Diff([]string{name}, fieldNames(p)); diff != "" {
				t.Errorf("%s: %s", id, diff)
			}
		}
	}
}

func TestAStaleRequestIsToldWhatTheThingIsNow(t *testing.T) {
	b := newBench(t)
	all := operations(t, document(t, b))
	update := all["updateCourse"]
	for read, current := range map[string]any{
		"getCohort": aCohort, "getStudent": aStudent, "getCourse": aCourse, "getClass": aClass, "getWorkspace": aWorkspace,
	} {
		b.registrar.answers(nil)
		now := b.do(all[read].request())
		stale := lab.Errorf(lab.CodeStale, "changed")
		stale.Current = current
		b.registrar.answers(fmt.Errorf("at work: %w", stale))
		answer := b.write(update, "", `If-Match: "1"`)
		p := problem(t, answer, http.StatusPreconditionFailed)
		want := map[string]any{}
		if err := json.Unmarshal([]byte(now.Body), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, p.Current); diff != "" || answer.Header.Get("ETag") != now.Header.Get("ETag") {
			t.Errorf("%s: %s%v", read, diff, answer.Header)
		}
	}
	b.registrar.answers(lab.Errorf(lab.CodeConflict, "taken"))
	if body := b.write(update, "").Body; strings.Contains(body, "current") {
		t.Error(body)
	}
}

// keyed are the operations that take an Idempotency-Key.
func keyed(t *testing.T, b *bench) map[string]documented {
	all := operations(t, document(t, b))
	maps.DeleteFunc(all, func(_ string, d documented) bool { return !d.parameter(openapi3.ParameterInHeader, "Idempotency-Key") })
	return all
}

// receiptOf is what the store keeps of the last call.
func (b *bench) receiptOf(t *testing.T, target string) lab.Receipt {
	t.Helper()
	calls := b.registrar.called()
	intent := calls[len(calls)-1].Intent
	return lab.Receipt{Operation: intent.Operation, Fingerprint: intent.Fingerprint, Target: target, At: noon}
}

// An answer with a secret is in no database, and whoever asks again gets it without.
func TestAnAnswerWithASecretIsNotKept(t *testing.T) {
	b := newBench(t)
	d := operations(t, document(t, b))["createToken"]
	first := b.write(d, "", "Idempotency-Key: k")
	if !strings.Contains(first.Body, "bothy_the-text-of-a-token") || b.receipts.kept["k"].Answer != nil {
		t.Fatalf("%+v is kept of %s", b.receipts.kept["k"], first.Body)
	}
	b.receipts.put("k", b.receiptOf(t, "id-token"))
	second := b.write(d, "", "Idempotency-Key: k")
	conforms(t, d, second)
	if second.StatusCode != first.StatusCode || !strings.Contains(second.Body, `"token":""`) || second.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d: %s", second.StatusCode, second.Body)
	}
	if dry := b.write(d, "dry_run=true"); !strings.Contains(dry.Body, `"token":""`) {
		t.Error(dry.Body)
	}
}

func TestTheSameKeyGetsTheSameAnswer(t *testing.T) {
	b := newBench(t)
	for id, d := range keyed(t, b) {
		if d.Operation.Extensions["x-secret-answer"] == true {
			continue
		}
		t.Run(id, func(t *testing.T) {
			b.registrar.answers(nil)
			first := b.write(d, "", "Idempotency-Key: "+id)
			if first.StatusCode >= http.StatusMultipleChoices || first.Header.Values("Idempotency-Replayed") != nil {
				t.Fatal(first)
			}
			receipt := b.receiptOf(t, "id")
			receipt.Answer = b.receipts.kept[id].Answer
			b.receipts.put(id, receipt)

			b.registrar.answers(errors.New("nobody is to be asked"))
			second := b.write(d, "", "Idempotency-Key: "+id)
			conforms(t, d, second)
			if got := second.Header.Get("Idempotency-Replayed"); got != "true" {
				t.Errorf("Idempotency-Replayed: %q", got)
			}
			for _, name := range []string{"ETag", "Location", "Content-Type"} {
				if first.Header.Get(name) != second.Header.Get(name) {
					t.Errorf("%s: %q, then %q", name, first.Header.Get(name), second.Header.Get(name))
				}
			}
			if second.StatusCode != first.StatusCode || second.Body != first.Body {
				t.Errorf("%d: %s\nthen %d: %s", first.StatusCode, first.Body, second.StatusCode, second.Body)
			}
		})
	}
}

func TestAnAnswerThatWasNeverKeptIsMadeAnew(t *testing.T) {
	b := newBench(t)
	for id, d := range keyed(t, b) {
		t.Run(id, func(t *testing.T) {
			b.registrar.answers(nil)
			first := b.write(d, "", "Idempotency-Key: "+id)
			b.receipts.put(id, b.receiptOf(t, "id-of-it"))

			b.registrar.answers(nil)
			again := b.write(d, "", "Idempotency-Key: "+id)
			conforms(t, d, again)
			if got := again.Header.Get("Idempotency-Replayed"); got != "true" || again.StatusCode != first.StatusCode {
				t.Errorf("%d, Idempotency-Replayed: %q", again.StatusCode, got)
			}
			for _, call := range b.registrar.called() {
				// Beside an operation, its class is asked for its revision.
				known := slices.Contains(call.Args, any("id-of-it")) || slices.Contains(call.Args, any(anOperation.ClassID))
				if !call.DryRun && (call.Actor != lab.Actor{} || !known) {
					t.Errorf("called %+v", call)
				}
			}
			if b.receipts.kept[id].Answer == nil {
				t.Error("it is not kept now either")
			}

			b.receipts.put(id, b.receiptWithoutAnswer(id))
			b.registrar.answers(lab.NotFound("thing", "id-of-it"))
			if p := problem(t, b.write(d, "", "Idempotency-Key: "+id), http.StatusNotFound); p.Code != "not_found" {
				t.Error(p)
			}
		})
	}
}

func (b *bench) receiptWithoutAnswer(key string) lab.Receipt {
	receipt := b.receipts.kept[key]
	receipt.Answer = nil
	return receipt
}

func TestAKeyIsForOneRequest(t *testing.T) {
	b := newBench(t)
	create := keyed(t, b)["createCohort"]
	b.write(create, "", "Idempotency-Key: monday")
	receipt := b.receiptOf(t, "id")
	receipt.Answer = &lab.Answer{Status: http.StatusCreated}
	b.receipts.put("monday", receipt)
	for name, change := range map[string]func(*documented){
		"body":      func(d *documented) { d.body = `{"name":"Another"}` },
		"path":      func(d *documented) { d.target = "/v1/courses"; d.body = `{"name":"Fall 26","template":"shell"}` },
		"operation": func(d *documented) { *d = keyed(t, b)["launchClass"] },
	} {
		t.Run(name, func(t *testing.T) {
			other := create
			change(&other)
			b.registrar.answers(nil)
			p := problem(t, b.write(other, "", "Idempotency-Key: monday"), http.StatusConflict)
			if !strings.Contains(p.Detail, "Idempotency-Key") || p.Hint == "" || len(b.registrar.called()) != 0 {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestADryRunUsesUpNoKey(t *testing.T) {
	b := newBench(t)
	create := keyed(t, b)["createCohort"]
	for range 2 {
		if answer := b.write(create, "dry_run=true", "Idempotency-Key: monday"); answer.StatusCode != http.StatusCreated || answer.Header.Get("Idempotency-Replayed") != "" {
			t.Error(answer)
		}
	}
	if len(b.receipts.kept) != 0 {
		t.Error(b.receipts.kept)
	}
}

func TestErrorsAreNotRemembered(t *testing.T) {
	b := newBench(t)
	launch := keyed(t, b)["launchClass"]
	b.registrar.answers(lab.Errorf(lab.CodeUnavailable, "Nomad does not answer"))
	problem(t, b.write(launch, "", "Idempotency-Key: monday"), http.StatusServiceUnavailable)
	b.registrar.answers(nil)
	if answer := b.write(launch, "", "Idempotency-Key: monday"); answer.StatusCode != http.StatusAccepted {
		t.Error(answer)
	}
}

func TestARequestThatComesSecondGetsTheAnswerOfTheFirst(t *testing.T) {
	b := newBench(t)
	create := keyed(t, b)["createCohort"]
	b.registrar.answers(lab.Wrap(lab.CodeConflict, lab.ErrDone, "this key was used before"))
	// Nothing is known of the key when the request comes; when it is done, another was first.
	b.registrar.before = func(call call) {
		b.receipts.put(call.Key, lab.Receipt{
			Operation: call.Operation, Fingerprint: call.Fingerprint, Target: "id", At: noon,
			Answer: &lab.Answer{Status: http.StatusCreated, Header: map[string]string{"ETag": `"1"`}, Body: []byte(`{"first": true}`)},
		})
	}
	answer := b.write(create, "", "Idempotency-Key: monday")
	if answer.StatusCode != http.StatusCreated || answer.Body != `{"first": true}` || answer.Header.Get("Idempotency-Replayed") != "true" {
		t.Error(answer)
	}
}

func TestAKeyThatCannotBeLookedUpStopsTheRequest(t *testing.T) {
	b := newBench(t)
	b.receipts.err = lab.Errorf(lab.CodeUnavailable, "the database does not answer")
	problem(t, b.write(keyed(t, b)["createCohort"], "", "Idempotency-Key: monday"), http.StatusServiceUnavailable)
	if calls := b.registrar.called(); len(calls) != 0 {
		t.Error(calls)
	}
}

func TestAPanicUnderAKeyIsAProblemToo(t *testing.T) {
	b := newBench(t)
	b.registrar.panic = "nil map"
	problem(t, b.write(keyed(t, b)["createCohort"], "", "Idempotency-Key: monday"), http.StatusInternalServerError)
}

func FuzzIfMatch(f *testing.F) {
	b := newBench(f)
	for _, seed := range []string{`"7"`, `W/"7", "8"`, `*`, `"`, `,,`, `"a,b"`, "\x00", `"é"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		b.registrar.answers(nil)
		r := request(http.MethodDelete, "/v1/courses/py101", "")
		r.Header["If-Match"] = []string{header}
		answer := b.do(r)
		if answer.StatusCode == http.StatusNoContent {
			return
		}
		if p := problem(t, answer, http.StatusBadRequest); len(b.registrar.called()) != 0 || !slices.Contains(fieldNames(p), "If-Match") {
			t.Fatalf("%q: %+v", header, p)
		}
	})
}

var _ api.Receipts = (*fakeReceipts)(nil)
