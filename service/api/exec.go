package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/gin-gonic/gin"

	"github.com/bothylabs/bothy/service/lab"
)

// The channels of binary messages; see execInWorkspace in openapi.yaml.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
)

const (
	// maxExecData is the most data of one message, in bytes.
	maxExecData = 32 << 10
	// pingEvery is how often the caller is asked whether it is still there.
	pingEvery = 30 * time.Second
)

// execInWorkspace runs a command inside a workspace, over a WebSocket.
func (h *handler) execInWorkspace(c *gin.Context) {
	ctx, done, err := h.beginStream(c)
	if err != nil {
		fail(c, err)
		return
	}
	defer done()
	request, err := h.execRequest(ctx, c)
	if err != nil {
		fail(c, err)
		return
	}
	// The origin was held against the same rules as that of a write.
	conn, err := websocket.Accept(c.Writer, c.Request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		_ = c.Error(fmt.Errorf("accept the WebSocket: %w", err)) // the library has answered
		c.Abort()
		return
	}
	if err := h.runExec(ctx, conn, request); err != nil {
		_ = c.Error(err)
	}
}

// execRequest checks everything that can be refused while there is still an answer to refuse with.
func (h *handler) execRequest(ctx context.Context, c *gin.Context) (lab.ExecRequest, error) {
	none := lab.ExecRequest{}
	if err := h.refuseForeignSocket(c.Request); err != nil {
		return none, err
	}
	command, err := parseCommand(c.Query("command"))
	if err != nil {
		return none, err
	}
	workspace, err := h.config.Registrar.Workspace(ctx, c.Param("workspace"))
	if err != nil {
		return none, err
	}
	if err := wantsWebSocket(c.Request); err != nil {
		return none, err
	}
	ref, err := h.config.Tasks.RunningTask(ctx, workspace.Slug.JobID(), h.mark(workspace), taskName(c))
	if err != nil {
		return none, err
	}
	request := lab.ExecRequest{TaskRef: ref, Command: command, TTY: c.Query("tty") == "true"}
	if err := h.config.Registrar.RecordExec(ctx, intentOf(ctx), workspace, request); err != nil {
		return none, err
	}
	return request, nil
}

// refuseForeignSocket holds a WebSocket to the rules of a write: browsers send
// these from everywhere, and no reading rule of theirs protects what they carry.
func (h *handler) refuseForeignSocket(r *http.Request) error {
	asWrite := r.Clone(r.Context())
	asWrite.Method = http.MethodPost
	if err := h.crossOrigin.Check(asWrite); err != nil {
		return crossOriginRefused(err)
	}
	return nil
}

func parseCommand(text string) ([]string, error) {
	var command []string
	if err := json.Unmarshal([]byte(text), &command); err != nil || len(command) == 0 || command[0] == "" {
		return nil, lab.Invalid("the request is not valid", lab.Field{
			Name: "command", Problem: "is not a JSON list of strings that begins with a program", Remedy: `write it as ["id","-u"]`,
		})
	}
	for _, word := range command {
		if strings.ContainsRune(word, 0) {
			return nil, lab.Invalid("the request is not valid", lab.Field{Name: "command", Problem: "holds a NUL", Remedy: "leave it out"})
		}
	}
	return command, nil
}

func wantsWebSocket(r *http.Request) error {
	if r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") &&
		strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade") {
		return nil
	}
	return lab.Invalid("the request is not valid", lab.Field{
		Name: "Upgrade", Problem: "the request does not ask for a WebSocket", Remedy: "use a WebSocket client, or `bothy exec`",
	})
}

// execControl is a text message.
type execControl struct {
	Resize      *execSize  `json:"resize,omitempty"`
	StdinClosed bool       `json:"stdin_closed,omitempty"`
	ExitCode    *int       `json:"exit_code,omitempty"`
	Error       *execError `json:"error,omitempty"`
}

type execSize struct {
	Columns int `json:"columns"`
	Rows    int `json:"rows"`
}

type execError struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
}

// execSession is one command and the caller's connection.
type execSession struct {
	conn  *websocket.Conn
	stdin *io.PipeWriter
	sizes chan lab.TerminalSize
}

// runExec runs the command and tells the caller how it ended.
func (h *handler) runExec(ctx context.Context, conn *websocket.Conn, r lab.ExecRequest) error {
	conn.SetReadLimit(maxExecData + 1)
	// The connection outlives the command by its last message.
	connCtx, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	running, end := context.WithCancel(ctx)
	stdin, in := io.Pipe()
	s := &execSession{conn: conn, stdin: in, sizes: make(chan lab.TerminalSize, 1)}
	var helpers sync.WaitGroup
	helpers.Go(func() {
		defer end() // who is gone wants nothing any more
		s.read(connCtx)
	})
	helpers.Go(func() { s.ping(connCtx, end) })

	r.Stdin = stdin
	r.Stdout, r.Stderr = s.writer(connCtx, channelStdout), s.writer(connCtx, channelStderr)
	if r.TTY {
		r.Sizes = s.sizes
	}
	code, err := h.config.Tasks.Exec(running, r)
	end()
	_ = stdin.Close() // unblocks whoever still writes to it
	s.conclude(connCtx, code, err)
	hangUp()
	_ = conn.CloseNow() // it is closed already, or nobody listens
	helpers.Wait()
	return err
}

// conclude sends the last message and closes.
func (s *execSession) conclude(ctx context.Context, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	last := execControl{ExitCode: &code}
	if err != nil {
		e := coded(err)
		last = execControl{Error: &execError{Code: string(e.Code), Detail: e.Message, Hint: e.Hint}}
	}
	text, err := json.Marshal(last)
	if err == nil {
		err = s.conn.Write(ctx, websocket.MessageText, text)
	}
	if err == nil {
		_ = s.conn.Close(websocket.StatusNormalClosure, "") // it has been told everything
	}
}

// read hands on what the caller sends, until it is gone or breaks the rules.
func (s *execSession) read(ctx context.Context) {
	for {
		kind, message, err := s.conn.Read(ctx)
		if err != nil {
			_ = s.stdin.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		if problem := s.take(kind, message); problem != "" {
			_ = s.conn.Close(websocket.StatusPolicyViolation, problem)
			_ = s.stdin.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
	}
}

// take does what a message says, and gives what is wrong with it.
func (s *execSession) take(kind websocket.MessageType, message []byte) (problem string) {
	if kind == websocket.MessageBinary {
		if len(message) == 0 || message[0] != channelStdin {
			return "a binary message begins with 0, for standard input"
		}
		_, _ = s.stdin.Write(message[1:]) // a command that has ended takes no more
		return ""
	}
	var control execControl
	decoder := json.NewDecoder(bytes.NewReader(message))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&control); err != nil || control.ExitCode != nil || control.Error != nil {
		return "a text message is a resize or stdin_closed"
	}
	if control.StdinClosed {
		_ = s.stdin.Close()
	}
	if size := control.Resize; size != nil {
		if size.Columns < 1 || size.Rows < 1 || size.Columns > 10_000 || size.Rows > 10_000 {
			return "a terminal has 1 to 10000 columns and rows"
		}
		select {
		case <-s.sizes: // an older size is of no use
		default:
		}
		s.sizes <- lab.TerminalSize{Columns: size.Columns, Rows: size.Rows}
	}
	return ""
}

// ping ends the command when the caller does not answer.
func (s *execSession) ping(ctx context.Context, end context.CancelFunc) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			answered, cancel := context.WithTimeout(ctx, takeWithin)
			err := s.conn.Ping(answered)
			cancel()
			if err != nil {
				end()
				return
			}
		}
	}
}

// writer gives the writer of one channel.
func (s *execSession) writer(ctx context.Context, channel byte) io.Writer {
	return execWriter(func(data []byte) (int, error) {
		sent := 0
		for part := range slices.Chunk(data, maxExecData) {
			taken, cancel := context.WithTimeout(ctx, takeWithin)
			err := s.conn.Write(taken, websocket.MessageBinary, append([]byte{channel}, part...))
			cancel()
			if err != nil {
				return sent, fmt.Errorf("send output: %w", err)
			}
			sent += len(part)
		}
		return sent, nil
	})
}

type execWriter func([]byte) (int, error)

func (w execWriter) Write(data []byte) (int, error) { return w(data) }
