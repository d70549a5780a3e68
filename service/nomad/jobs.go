package nomad

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/jobspec"
	"github.com/bothylabs/bothy/service/lab"
)

func markOf(meta map[string]string) lab.Mark {
	return lab.Mark{InstallationID: meta[jobspec.MetaInstallation], WorkspaceID: meta[jobspec.MetaWorkspace]}
}

// Parse has Nomad's own parser read a job file with values for its variables, and
// changes nothing. CodeInvalid, with line and column, when it can't be read.
func (c *Client) Parse(ctx context.Context, source, variables []byte) error {
	return c.read(ctx, &api.JobsParseRequest{JobHCL: string(source), Variables: string(variables)}, &api.Job{})
}

func (c *Client) read(ctx context.Context, request *api.JobsParseRequest, job *api.Job) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	if _, err := c.api.Raw().Write("/v1/jobs/parse", request, job, w); err != nil {
		return c.unparsed(err)
	}
	return nil
}

// parse has Nomad read a job file, with its defaults for all variables.
func (c *Client) parse(ctx context.Context, source []byte) (*api.Job, error) {
	job := &api.Job{}
	if err := c.read(ctx, &api.JobsParseRequest{JobHCL: string(source), Canonicalize: true}, job); err != nil {
		return nil, err
	}
	if namespace := value(job.Namespace); namespace != c.cfg.Namespace {
		return nil, lab.Errorf(lab.CodeRefused, "the job file is for namespace %q, Bothy works in %q", namespace, c.cfg.Namespace).
			WithHint(`let the template say: namespace = var.namespace`)
	}
	return job, nil
}

// Register submits a job file with its source attached, if the job's modify index
// is still the one given; 0 is for a job that must not exist. It gives the index
// afterwards: an equal job keeps its index, and nothing is placed anew for it.
// CodeConflict when the index is another one, CodeInvalid for a file that Nomad
// can't read, CodeRefused when the file is for another job than the one named.
func (c *Client) Register(ctx context.Context, jobID string, mark lab.Mark, source []byte, index uint64) (uint64, error) {
	job, err := c.parse(ctx, source)
	if err != nil {
		return 0, err
	}
	if value(job.ID) != jobID || markOf(job.Meta) != mark {
		return 0, lab.Errorf(lab.CodeRefused, "the job file is not of job %q, or does not bear this workspace's mark", jobID).
			WithHint("let the template set the job's id and meta as the built-in ones do")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	w, err := c.write(ctx)
	if err != nil {
		return 0, err
	}
	answer, _, err := c.api.Jobs().RegisterOpts(job, &api.RegisterOptions{
		EnforceIndex: true, ModifyIndex: index,
		Submission: &api.JobSubmission{Source: string(source), Format: "hcl2"},
	}, w)
	if err != nil {
		err = c.failed(err, c.needs("submit-job"))
		if lab.CodeOf(err) == lab.CodeConflict {
			_, unread := c.refresh(ctx, jobID) // the next snapshot shows who was faster
			err = errors.Join(err, unread)
		}
		return 0, err
	}
	if answer.JobModifyIndex != answer.EvalCreateIndex {
		// An equal job is not written again, and the answer is not its modify index.
		return index, nil
	}
	c.cache.registered(jobState{
		ID: jobID, Status: "pending", Meta: job.Meta,
		ModifyIndex: answer.JobModifyIndex, JobModifyIndex: answer.JobModifyIndex,
	})
	c.notify()
	return answer.JobModifyIndex, nil
}

// proxyTask is the task that asks the door: the templates' contract.
const proxyTask = "nginx"

// Submitted gives the SHA-256 in hex of the source that the job's current version
// was submitted with, "" where Nomad keeps none, and the job's modify index.
func (c *Client) Submitted(ctx context.Context, jobID string) (string, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return "", 0, err
	}
	job, _, err := c.api.Jobs().Info(jobID, q)
	if err != nil {
		return "", 0, c.failed(err, c.needs("read-job"))
	}
	path := "/v1/job/" + url.PathEscape(jobID) + "/submission?version=" + strconv.FormatUint(value(job.Version), 10)
	var submission api.JobSubmission
	_, err = c.api.Raw().Query(path, &submission, q)
	if statusOf(err) == http.StatusNotFound {
		return "", value(job.JobModifyIndex), nil
	}
	if err != nil {
		return "", 0, c.failed(err, c.needs("read-job"))
	}
	sum := sha256.Sum256([]byte(submission.Source))
	return hex.EncodeToString(sum[:]), value(job.JobModifyIndex), nil
}

// Stop stops the job and keeps its record. Nomad can't make that depend on
// anything, so the mark is read right before. No error when the job is gone or
// stopped already; CodeConflict when it is not ours.
func (c *Client) Stop(ctx context.Context, jobID string, mark lab.Mark) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	job, err := c.refresh(ctx, jobID)
	if err != nil || job == nil || job.Stop {
		return err
	}
	if markOf(job.Meta) != mark {
		return lab.Errorf(lab.CodeConflict, "job %q is not this workspace's: it is left alone", jobID)
	}
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	if _, _, err := c.api.Jobs().Deregister(jobID, false, w); err != nil {
		return c.failed(err, c.needs("submit-job"))
	}
	_, err = c.refresh(ctx, jobID)
	return err
}

// refresh reads one job into the picture. It gives nil when there is none.
func (c *Client) refresh(ctx context.Context, jobID string) (*jobState, error) {
	q, err := c.query(ctx)
	if err != nil {
		return nil, err
	}
	var job jobState
	_, err = c.api.Raw().Query("/v1/job/"+url.PathEscape(jobID), &job, q)
	if statusOf(err) == http.StatusNotFound {
		c.cache.gone(jobID)
		c.notify()
		return nil, nil //nolint:nilnil // a job that is not there is an answer
	}
	if err != nil {
		return nil, c.failed(err, c.needs("read-job"))
	}
	c.cache.registered(job)
	c.notify()
	return &job, nil
}

// RestartAlloc restarts the running tasks of an allocation in place.
func (c *Client) RestartAlloc(ctx context.Context, allocID string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	if err := c.api.Allocations().Restart(&api.Allocation{ID: allocID}, "", q); err != nil {
		return c.failed(err, c.needs("alloc-lifecycle"))
	}
	return nil
}

// EndConnections has the NGINX in front of a workspace end its open connections: its
// workers are replaced, and the old ones end within the template's
// worker_shutdown_timeout.
func (c *Client) EndConnections(ctx context.Context, allocID string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	q, err := c.query(ctx)
	if err != nil {
		return err
	}
	if err := c.api.Allocations().Signal(&api.Allocation{ID: allocID}, q, proxyTask, "SIGHUP"); err != nil {
		return c.failed(err, c.needs("alloc-lifecycle"))
	}
	return nil
}

// Reschedule has Nomad place the job's failed allocations anew now, where its own
// rules would let it wait.
func (c *Client) Reschedule(ctx context.Context, jobID string) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	w, err := c.write(ctx)
	if err != nil {
		return err
	}
	if _, _, err := c.api.Jobs().EvaluateWithOpts(jobID, api.EvalOptions{ForceReschedule: true}, w); err != nil {
		return c.failed(err, c.needs("submit-job"))
	}
	return nil
}

// value gives what a pointer of Nomad's client points to, the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
