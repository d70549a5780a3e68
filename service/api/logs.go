package api

import (
	"context"
	"io"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
	"github.com/bothylabs/bothy/service/registrar"
)

// Tasks reaches into the tasks of workspaces' newest allocations. Its errors are
// coded; a job that does not bear the mark is none of its business.
type Tasks interface {
	// Logs gives a log as text, until ctx ends; the reader is to be closed.
	Logs(ctx context.Context, r lab.LogRequest) (io.ReadCloser, error)
	// RunningTask finds a task that runs.
	RunningTask(ctx context.Context, jobID string, mark lab.Mark, task string) (lab.TaskRef, error)
	// Exec runs a command until it has ended or ctx has, and gives its exit code.
	Exec(ctx context.Context, r lab.ExecRequest) (exitCode int, err error)
}

// getWorkspaceLogs streams a log.
func (h *handler) getWorkspaceLogs(c *gin.Context) {
	ctx, done, err := h.beginStream(c)
	if err != nil {
		fail(c, err)
		return
	}
	defer done()
	workspace, err := h.config.Registrar.Workspace(ctx, c.Param("workspace"))
	if err != nil {
		fail(c, err)
		return
	}
	request := lab.LogRequest{
		JobID: workspace.Slug.JobID(), Mark: h.mark(workspace),
		Task: taskName(c), Stderr: c.Query("stream") == "stderr", Tail: lab.DefaultTail, Follow: c.Query("follow") == "true",
	}
	if tail, err := strconv.Atoi(c.Query("tail")); err == nil { // the contract has its bounds
		request.Tail = tail
	}
	log, err := h.config.Tasks.Logs(ctx, request)
	if err != nil {
		fail(c, err)
		return
	}
	defer func() { _ = log.Close() }() // what went wrong with it was told while it was read
	h.copyText(ctx, c, "text/plain; charset=utf-8", log)
}

// mark is what the workspace's job must bear.
func (h *handler) mark(w registrar.WorkspaceView) lab.Mark {
	return lab.Mark{InstallationID: h.config.InstallationID, WorkspaceID: w.ID}
}

func taskName(c *gin.Context) string {
	if name := c.Query("task"); name != "" {
		return name
	}
	return lab.MainTask
}
