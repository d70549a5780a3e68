package nomad

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hashicorp/nomad/api"
)

// The parts of Nomad's objects that the picture is made of, as its listings, its
// event stream and its single answers all spell them. Nomad's own types would
// cost several times the memory and time for ten thousand of them.

type jobState struct {
	ID             string
	Stop           bool
	Status         string
	Meta           map[string]string
	ModifyIndex    uint64
	JobModifyIndex uint64
}

type allocState struct {
	ID            string
	JobID         string
	NodeID        string
	NodeName      string
	DesiredStatus string
	ClientStatus  string
	CreateIndex   uint64
	ModifyIndex   uint64
	CreateTime    int64
	// TaskStates is nil where a listing leaves it out.
	TaskStates map[string]*taskState
}

type taskState struct {
	State  string
	Failed bool
	Events []taskEvent
}

type taskEvent struct {
	Type           string
	DisplayMessage string
	Details        map[string]string
	Time           int64
}

func (e taskEvent) at() time.Time { return time.Unix(0, e.Time) }

type evalState struct {
	ID             string
	JobID          string
	Status         string
	ModifyIndex    uint64
	FailedTGAllocs map[string]*api.AllocationMetric
}

// events is one line of the event stream; a heartbeat has no index and no events.
type events struct {
	Index  uint64
	Events []event
}

// purges tells whether Nomad has forgotten a job.
func (e events) purges() bool {
	return slices.ContainsFunc(e.Events, func(ev event) bool { return ev.Payload.Job != nil && ev.Payload.Deleted })
}

type event struct {
	Topic   api.Topic
	Index   uint64
	Payload payload
}

// payload holds the object of the event's topic. Deleted is set for a job that
// is gone.
type payload struct {
	Deleted    bool
	Job        *jobState
	Allocation *allocState
	Evaluation *evalState
}

// decodeLine reads the next line of the event stream.
func decodeLine(decoder *json.Decoder) (events, error) {
	var line events
	err := decoder.Decode(&line)
	return line, err
}
