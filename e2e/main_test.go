package e2e

import (
	"os"
	"testing"

	"github.com/bothylabs/bothy/service/store/storetest"
)

// postgres is for servers that share a database; it starts at its first use.
var postgres storetest.Server

func TestMain(m *testing.M) { os.Exit(postgres.Run(m.Run)) }
