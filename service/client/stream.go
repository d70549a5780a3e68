package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/coder/websocket"

	"github.com/bothylabs/bothy/service/lab"
)

// The wire of execInWorkspace, as the contract describes it.
const (
	channelStdin  = 0
	channelStdout = 1
	channelStderr = 2
	// maxExecData is the most data of one message, in bytes.
	maxExecData = 32 << 10
)

// LogOptions say what of a workspace's log is wanted; the zero value is the end
// of the standard output of the task that the student works in.
type LogOptions struct {
	// Task is "" for the task that the student works in.
	Task   string
	Stderr bool
	// Tail is how many of the last lines; nil leaves that to the server.
	Tail   *int
	Follow bool
}

// Logs gives a workspace's log as text; it is to be closed. A reading that ends
// with lab.CodeUnavailable broke off.
func (c *Client) Logs(ctx context.Context, workspace string, options LogOptions) (io.ReadCloser, error) {
	query := url.Values{}
	if options.Task != "" {
		query.Set("task", options.Task)
	}
	if options.Stderr {
		query.Set("stream", "stderr")
	}
	if options.Tail != nil {
		query.Set("tail", strconv.Itoa(*options.Tail))
	}
	if options.Follow {
		query.Set("follow", "true")
	}
	body, err := c.stream.get(ctx, c.stream.address(workspace, "logs", query))
	if err != nil {
		return nil, err
	}
	return &textStream{ctx: ctx, body: body, addr: c.stream.addr}, nil
}

// textStream is an answer of text that may go on for long.
type textStream struct {
	ctx  context.Context //nolint:containedctx // io.Reader has no place for it
	body io.ReadCloser
	addr string
}

// Read reads on; an answer that breaks off is coded.
func (s *textStream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case s.ctx.Err() != nil:
		return n, fmt.Errorf("read the answer: %w", s.ctx.Err())
	default:
		return n, lab.Wrap(lab.CodeUnavailable, err, "the answer of Bothy at %s broke off", s.addr).WithHint("try again")
	}
}

// Close gives the rest up.
func (s *textStream) Close() error { return s.body.Close() }

// streamer makes requests whose answers go on.
type streamer struct {
	addr, base, token string
	http              *http.Client
}

func (s *streamer) address(workspace, what string, query url.Values) string {
	address := s.base + "/v1/workspaces/" + url.PathEscape(workspace) + "/" + what
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address
}

func (s *streamer) get(ctx context.Context, address string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := s.http.Do(r)
	if err != nil {
		return nil, unreachable(ctx, s.addr, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	return nil, s.refusal(answer)
}

// refusal reads why there is no stream.
func (s *streamer) refusal(answer *http.Response) error {
	mediaType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")) // an unreadable one is ""
	if mediaType == "application/problem+json" {
		return readProblem(answer)
	}
	return errors.Join(stranger(s.addr, answer), answer.Body.Close())
}

// TerminalSize is a terminal's, in characters.
type TerminalSize struct{ Columns, Rows int }

// ExecOptions say what to run inside a workspace, and with what.
type ExecOptions struct {
	// Task is "" for the task that the student works in.
	Task    string
	Command []string
	// TTY gives the command a terminal, of these sizes.
	TTY   bool
	Sizes <-chan TerminalSize
	// Stdin is nil for none. A Read of it may still wait when Exec has returned.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Exec runs a command inside a workspace and gives its exit code. Its error says
// that the command did not run, or did not come to its end.
func (c *Client) Exec(ctx context.Context, workspace string, options ExecOptions) (int, error) {
	command, err := json.Marshal(options.Command)
	if err != nil {
		return 0, fmt.Errorf("encode the command: %w", err)
	}
	query := url.Values{"command": {string(command)}}
	if options.Task != "" {
		query.Set("task", options.Task)
	}
	if options.TTY {
		query.Set("tty", "true")
	}
	conn, answer, err := websocket.Dial(ctx, c.stream.address(workspace, "exec", query), &websocket.DialOptions{
		HTTPClient: c.stream.http, HTTPHeader: http.Header{"Authorization": {"Bearer " + c.stream.token}},
	})
	if err != nil {
		if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
			return 0, c.stream.refusal(answer)
		}
		return 0, unreachable(ctx, c.stream.addr, err)
	}
	conn.SetReadLimit(maxExecData + 1)
	ctx, end := context.WithCancel(ctx)
	s := &execSession{conn: conn, addr: c.stream.addr}
	var senders sync.WaitGroup
	senders.Go(func() { s.sendSizes(ctx, options.Sizes) })
	go s.sendStdin(ctx, options.Stdin) // a Read of a terminal cannot be ended; it ends with the process
	code, err := s.receive(ctx, options)
	end()
	senders.Wait()
	_ = conn.CloseNow() // both sides have said everything
	return code, err
}

// execSession is the connection of one command.
type execSession struct {
	conn *websocket.Conn
	addr string
}

// execControl is a text message.
type execControl struct {
	Resize      *execSize `json:"resize,omitempty"`
	StdinClosed bool      `json:"stdin_closed,omitempty"`
	ExitCode    *int      `json:"exit_code,omitempty"`
	Error       *Problem  `json:"error,omitempty"`
}

type execSize struct {
	Columns int `json:"columns"`
	Rows    int `json:"rows"`
}

// receive hands on what the command writes, until the last message.
func (s *execSession) receive(ctx context.Context, options ExecOptions) (int, error) {
	for {
		kind, message, err := s.conn.Read(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return 0, fmt.Errorf("run the command: %w", ctx.Err())
		case err != nil:
			return 0, lab.Wrap(lab.CodeUnavailable, err, "the connection to Bothy at %s broke off", s.addr).
				WithHint("the command may still run")
		case kind == websocket.MessageBinary && len(message) > 0:
			out := options.Stdout
			if message[0] == channelStderr {
				out = options.Stderr
			}
			if _, err := out.Write(message[1:]); err != nil {
				return 0, fmt.Errorf("write what the command said: %w", err)
			}
			continue
		}
		var last execControl
		if err := json.Unmarshal(message, &last); err != nil {
			return 0, lab.Wrap(lab.CodeUnavailable, err, "Bothy answered in a way that this program does not know").
				WithHint("is this program as new as the server?")
		}
		switch {
		case last.Error != nil:
			return 0, last.Error
		case last.ExitCode != nil:
			return *last.ExitCode, nil
		}
	}
}

func (s *execSession) send(ctx context.Context, control execControl) error {
	text, err := json.Marshal(control)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	if err := s.conn.Write(ctx, websocket.MessageText, text); err != nil {
		return fmt.Errorf("send a message: %w", err)
	}
	return nil
}

// sendSizes sends the terminal's sizes until ctx or they end.
func (s *execSession) sendSizes(ctx context.Context, sizes <-chan TerminalSize) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, open := <-sizes:
			if !open {
				return
			}
			if err := s.send(ctx, execControl{Resize: &execSize{size.Columns, size.Rows}}); err != nil {
				return // the receiver sees the same, and tells
			}
		}
	}
}

// sendStdin sends standard input, and that it has ended.
func (s *execSession) sendStdin(ctx context.Context, stdin io.Reader) {
	buffer := make([]byte, maxExecData+1)
	buffer[0] = channelStdin
	for stdin != nil {
		n, err := stdin.Read(buffer[1:])
		if n > 0 {
			if err := s.conn.Write(ctx, websocket.MessageBinary, buffer[:n+1]); err != nil {
				return // the receiver sees the same, and tells
			}
		}
		if err != nil {
			break
		}
	}
	_ = s.send(ctx, execControl{StdinClosed: true}) // see above
}
