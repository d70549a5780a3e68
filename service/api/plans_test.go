package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bothylabs/bothy/service/registrar"
)

func TestAPlanIsOfALaunchUnlessTheBodySaysOtherwise(t *testing.T) {
	b := newBench(t)
	for body, want := range map[string]registrar.Act{
		"": registrar.ActLaunch, "{}": registrar.ActLaunch, `{"act":"stop"}`: registrar.ActStop, `{"act":"restart"}`: registrar.ActRestart,
	} {
		b.registrar.answers(nil)
		r := request(http.MethodPost, "/v1/classes/fall-26~py101/plan", body)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		answer := b.do(r)
		calls := b.registrar.called()
		if answer.StatusCode != http.StatusOK || len(calls) != 1 || calls[0].Args[0] != "fall-26/py101" || calls[0].Args[1] != want {
			t.Errorf("%q: %d, %v", body, answer.StatusCode, calls)
		}
		if summary := `"summary":"1 create, 1 unplaceable: memory exhausted on 1 node"`; !strings.Contains(answer.Body, summary) {
			t.Errorf("%q: the answer lacks %s:\n%s", body, summary, answer.Body)
		}
	}
	for _, body := range []string{`{"act":"celebrate"}`, `{"acts":"launch"}`, `[]`, `null`} {
		b.registrar.answers(nil)
		r := request(http.MethodPost, "/v1/classes/fall-26~py101/plan", body)
		r.Header.Set("Content-Type", "application/json")
		if answer := b.do(r); answer.StatusCode != http.StatusBadRequest || len(b.registrar.called()) != 0 {
			t.Errorf("%s: %d", body, answer.StatusCode)
		}
	}
}
