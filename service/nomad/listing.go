package nomad

import (
	"context"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"github.com/bothylabs/bothy/service/lab"
)

// indexes are the states of Nomad's tables that a listing shows: every event up
// to them is in it.
type indexes struct{ jobs, allocs, evals uint64 }

func (i indexes) of(topic api.Topic) uint64 {
	switch topic {
	case api.TopicJob:
		return i.jobs
	case api.TopicAllocation:
		return i.allocs
	case api.TopicEvaluation:
		return i.evals
	default:
		return 0
	}
}

// listing is everything of the namespace that the picture is made of.
type listing struct {
	at      indexes
	jobs    []jobState
	allocs  []allocState
	blocked []evalState
}

// list reads everything, whole and from the leader, or gives an error.
func (c *Client) list(ctx context.Context) (listing, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var l listing
	var troubled []allocState
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		l.at.jobs, err = c.listOne(ctx, "/v1/jobs?meta=true", &l.jobs)
		return err
	})
	group.Go(func() (err error) {
		// Task states are most of an allocation's size and say nothing of one that runs.
		if l.at.allocs, err = c.listOne(ctx, "/v1/allocations?task_states=false", &l.allocs); err != nil {
			return err
		}
		_, err = c.listOne(ctx, "/v1/allocations?filter="+filterTroubled, &troubled)
		return err
	})
	group.Go(func() (err error) {
		l.at.evals, err = c.listOne(ctx, "/v1/evaluations?status="+api.EvalStatusBlocked, &l.blocked)
		return err
	})
	if err := group.Wait(); err != nil {
		return listing{}, err
	}
	// Read last, and so never older: the picture keeps the newer of two.
	l.allocs = append(l.allocs, troubled...)
	return l, nil
}

// filterTroubled selects the allocations that should run and do not, as a query parameter.
const filterTroubled = `DesiredStatus+%3D%3D+%22run%22+and+%28ClientStatus+%3D%3D+%22pending%22+or+ClientStatus+%3D%3D+%22failed%22%29`

// listOne reads one listing and gives the index that it shows.
func (c *Client) listOne(ctx context.Context, path string, out any) (uint64, error) {
	q, err := c.query(ctx)
	if err != nil {
		return 0, err
	}
	meta, err := c.api.Raw().Query(path, out, q)
	switch {
	case err != nil:
		return 0, c.failed(err, c.needs("read-job"))
	case meta.NextToken != "":
		return 0, lab.Errorf(lab.CodeUnavailable, "Nomad gave only a part of its listing")
	case !meta.KnownLeader:
		return 0, lab.Errorf(lab.CodeUnavailable, "Nomad has no leader, and its listing may be old")
	}
	return meta.LastIndex, nil
}
