package nomad

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/hashicorp/nomad/api"

	"github.com/bothylabs/bothy/service/lab"
)

// needs names the right that a request takes, for the message when it is missing.
func (c *Client) needs(capability string) string {
	return fmt.Sprintf("%s in namespace %q", capability, c.cfg.Namespace)
}

// statusOf gives the HTTP status that Nomad answered with, 0 when it did not answer.
func statusOf(err error) int {
	var answer api.UnexpectedResponseError
	if errors.As(err, &answer) {
		return answer.StatusCode()
	}
	return 0
}

// bodyOf gives what Nomad said, without the decoration of its lists of errors.
func bodyOf(err error) string {
	var answer api.UnexpectedResponseError
	if !errors.As(err, &answer) {
		return ""
	}
	return plain(answer.Body())
}

var (
	errorCount = regexp.MustCompile(`\d+ errors? occurred:`)
	spaces     = regexp.MustCompile(`\s+`)
)

// plain puts a nested list of errors on one line: "group g: task t: missing driver".
func plain(text string) string {
	text = errorCount.ReplaceAllString(text, "")
	text = spaces.ReplaceAllString(strings.ReplaceAll(text, "\n\t*", "; "), " ")
	text = strings.ReplaceAll(text, ": ; ", ": ")
	return strings.Trim(text, " ;:")
}

// failed translates an error of Nomad's client. needed is the right that the
// request takes. A canceled context stays what it is.
func (c *Client) failed(err error, needed string) error {
	var coded *lab.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &coded):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad at %s does not answer in time", c.cfg.Address)
	}
	body := bodyOf(err)
	switch status := statusOf(err); {
	case status == 0:
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad does not answer at %s", c.cfg.Address).
			WithHint("is it running, and is this its address?")
	case status == http.StatusForbidden:
		return lab.Wrap(lab.CodeRefused, err, "Nomad refused: the token is unknown or lacks %s", needed).
			WithHint("compare the token's policy with the one that Bothy needs")
	case status == http.StatusTooManyRequests,
		strings.Contains(body, "No cluster leader"), strings.Contains(body, "No path to region"):
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad at %s is not able to work: %s", c.cfg.Address, body)
	case strings.HasPrefix(body, api.RegisterEnforceIndexErrPrefix):
		return lab.Wrap(lab.CodeConflict, err, "the job was changed by another hand at the same time")
	case strings.Contains(body, "nonexistent node pool"):
		return lab.Wrap(lab.CodeRefused, err, "Nomad refused: %s", body).
			WithHint("make the node pool, or name another one in the settings")
	case strings.Contains(body, "nonexistent namespace"):
		return lab.Wrap(lab.CodeRefused, err, "Nomad refused: %s", body).
			WithHint("make it with: nomad namespace apply %s", c.cfg.Namespace)
	case status == http.StatusNotFound:
		return lab.Wrap(lab.CodeNotFound, err, "Nomad does not have it: %s", body)
	case status >= http.StatusInternalServerError && transient(body):
		return lab.Wrap(lab.CodeUnavailable, err, "Nomad at %s failed: %s", c.cfg.Address, body)
	default:
		return lab.Wrap(lab.CodeRefused, err, "Nomad refused: %s", body)
	}
}

// transient says that an answer with a server's error is about the server and not
// about the request: Nomad gives a status of 500 for both.
func transient(body string) bool {
	if body == "" {
		return true
	}
	for _, sign := range []string{"rpc error", "EOF", "timeout", "connection", "leadership lost", "raft", "Unknown node", "no route"} {
		if strings.Contains(body, sign) {
			return true
		}
	}
	return false
}

// position finds where a job file is wrong: "input.hcl:3,28-4,1: ".
var position = regexp.MustCompile(`(?s)^Failed to parse job: (?:input\.hcl:(\d+),(\d+)[^:]*|<nil>): (.*)$`)

// unparsed translates the answer to a job file that Nomad's parser does not take.
func (c *Client) unparsed(err error) error {
	if statusOf(err) != http.StatusBadRequest {
		return c.failed(err, c.needs("parse-job"))
	}
	found := position.FindStringSubmatch(bodyOf(err))
	if found == nil {
		return lab.Wrap(lab.CodeInvalid, err, "Nomad can't read the job file: %s", bodyOf(err))
	}
	field := lab.Field{Name: "job.nomad.hcl", Problem: strings.TrimSuffix(found[3], "."), Remedy: "correct the template"}
	if found[1] != "" {
		field.Name += ":" + found[1] + ":" + found[2]
	}
	e := lab.Invalid("Nomad can't read the job file", field)
	e.Cause = err
	return e
}
