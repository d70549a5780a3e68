package e2e

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bothylabs/bothy/service/store/storetest"
)

// postgres is for servers that share a database; it starts at its first use.
var postgres storetest.Server

func TestMain(m *testing.M) {
	_ = os.RemoveAll(filepath.Join("artifacts", "logs")) // of tests before
	os.Exit(postgres.Run(m.Run))
}

// lane is for tests that run one after the other, beside the longest one.
var lane sync.Mutex

// inLane has a test wait until those before it in the lane have ended. Those that wait
// count as running: `go test` must allow for three at once.
func inLane(t *testing.T) {
	t.Helper()
	t.Parallel()
	lane.Lock()
	t.Cleanup(lane.Unlock)
}
