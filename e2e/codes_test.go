package e2e

import (
	"testing"

	"github.com/bothylabs/bothy/service/lab"
)

func isNotFound(err error) bool { return lab.CodeOf(err) == lab.CodeNotFound }

// wantCode fails the test unless an error has the code.
func wantCode(t *testing.T, err error, code lab.Code) {
	t.Helper()
	if lab.CodeOf(err) != code {
		t.Errorf("the error is %v, of code %q; wanted is code %q", err, lab.CodeOf(err), code)
	}
}
