package api

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

// dependencyTimeout bounds how long a dependency may take to answer a probe.
const dependencyTimeout = 2 * time.Second

// Dependency is a server that Bothy needs.
type Dependency struct {
	// Name is what people call it: "store", "nomad", "consul", "vault".
	Name string
	// Required says that without it Bothy can answer nothing useful: it is not ready then.
	Required bool
	// Ready asks it. What it gives back is shown as far as it is a lab.Error's message.
	Ready func(context.Context) error
}

// ReconcilerState is how this instance's reconciler is doing.
type ReconcilerState struct {
	// Instance is this instance's name.
	Instance string
	// Active says that this instance holds the reconciler's role.
	Active bool
	// Holder names the instance that holds the role, this or another one, and
	// HeldSince says since when; "" while that is not known.
	Holder    string
	HeldSince time.Time
	// LastPassAt is when the last complete pass ended, zero before the first.
	LastPassAt time.Time
	// Err is what keeps it from working. It is shown as far as it is a lab.Error's message.
	Err error
}

// getHealth says that the process answers.
func getHealth(c *gin.Context) {
	c.JSON(http.StatusOK, gin.H{"status": "ok"})
}

// getReady says whether Bothy can work, and names what cannot. It needs no token, and so tells no reasons.
func (h *handler) getReady(c *gin.Context) {
	found := ask(c.Request.Context(), h.config.Dependencies)
	states := make(map[string]string, len(found))
	var missing []lab.Field
	for i, dependency := range h.config.Dependencies {
		states[dependency.Name] = "ok"
		if found[i] == nil {
			continue
		}
		states[dependency.Name] = "unavailable"
		if dependency.Required {
			missing = append(missing, lab.Field{
				Name: dependency.Name, Problem: "does not answer as it should", Remedy: "see Bothy's log, or ask /v1/status with a token",
			})
		}
	}
	if len(missing) > 0 {
		fail(c, &lab.Error{
			Code:    lab.CodeUnavailable,
			Message: "Bothy is not ready",
			Fields:  missing,
			Cause:   errors.Join(found...),
		})
		return
	}
	c.JSON(http.StatusOK, gin.H{"status": "ready", "dependencies": states})
}

// ask asks all dependencies at once; the answers are in their order, nil for a good one.
func ask(ctx context.Context, dependencies []Dependency) []error {
	ctx, cancel := context.WithTimeout(ctx, dependencyTimeout)
	defer cancel()
	answers := make([]error, len(dependencies))
	var all sync.WaitGroup
	for i, dependency := range dependencies {
		all.Go(func() { answers[i] = dependency.Ready(ctx) })
	}
	all.Wait()
	return answers
}

// shown is what a caller may know of an error: a coded one's message and hint.
func shown(err error) string {
	if err == nil {
		return ""
	}
	var e *lab.Error
	if !errors.As(err, &e) || e.Code == lab.CodeInternal || e.Message == "" {
		return "does not answer as it should"
	}
	if e.Hint != "" {
		return e.Message + " (" + e.Hint + ")"
	}
	return e.Message
}

func (h *handler) getContract(c *gin.Context) {
	c.Data(http.StatusOK, mediaJSON, h.contract.json)
}
