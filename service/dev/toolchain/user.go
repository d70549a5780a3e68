package toolchain

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// User is the account that workspaces run as.
type User struct {
	Name     string
	UID, GID int
	Home     string
}

const (
	workspaceUser = "coder"
	workspaceHome = "/home/coder"
	// workspaceUID is what images of code-server use; on a machine where somebody
	// else has it, the account gets another.
	workspaceUID = 1000
)

// EnsureUser gives the account that tasks of the exec driver run as, and makes it
// if it is missing: the driver looks the name up on this machine, and the task
// takes its home and shell from there. The account has no password and no home
// directory of its own here: a workspace's home is its volume.
func EnsureUser(ctx context.Context, report Reporter) (User, error) {
	return ensureUser(ctx, machine{}, report)
}

func ensureUser(ctx context.Context, h host, report Reporter) (User, error) {
	u, found, err := findUser(h)
	if err != nil || found {
		return u, err
	}
	passwd, err := h.ReadFile("/etc/passwd")
	if err != nil {
		return User{}, fmt.Errorf("look for a free user id: %w", err)
	}
	groups, err := h.ReadFile("/etc/group")
	if err != nil {
		return User{}, fmt.Errorf("look for a free group id: %w", err)
	}
	args := useraddArgs(string(passwd), string(groups))
	useradd := h.LookPath("useradd")
	if !h.Root() || useradd == "" {
		return User{}, lab.Errorf(lab.CodeUnavailable, "workspaces run as the user %s, which does not exist here, and only root can add it", workspaceUser).
			WithHint("run: sudo useradd %s", strings.Join(args, " "))
	}
	if report != nil {
		report(Event{Kind: Note, Text: "adds the user " + workspaceUser + ", which workspaces run as"})
	}
	if err := h.Run(ctx, command{Path: useradd, Args: args}); err != nil {
		return User{}, fmt.Errorf("add the user %s: %w", workspaceUser, err)
	}
	u, found, err = findUser(h)
	if err == nil && !found {
		err = fmt.Errorf("the user %s was added and is not in /etc/passwd", workspaceUser)
	}
	return u, err
}

// findUser looks in /etc/passwd and not in other directories of users, because
// tasks see that file alone.
func findUser(h host) (User, bool, error) {
	passwd, err := h.ReadFile("/etc/passwd")
	if err != nil {
		return User{}, false, fmt.Errorf("look for the user %s: %w", workspaceUser, err)
	}
	for line := range strings.Lines(string(passwd)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 7 || f[0] != workspaceUser {
			continue
		}
		uid, uidErr := strconv.Atoi(f[2])
		gid, gidErr := strconv.Atoi(f[3])
		if uidErr != nil || gidErr != nil {
			return User{}, false, fmt.Errorf("/etc/passwd: the user %s has no numeric id", workspaceUser)
		}
		u := User{Name: f[0], UID: uid, GID: gid, Home: f[5]}
		if uid == 0 || u.Home != workspaceHome || strings.HasSuffix(f[6], "/nologin") || strings.HasSuffix(f[6], "/false") {
			return User{}, false, lab.Errorf(lab.CodeConflict,
				"the user %s exists with uid %d, home %s and shell %s; workspaces need an ordinary user with home %s and a shell",
				workspaceUser, uid, u.Home, f[6], workspaceHome).
				WithHint("change it: sudo usermod --home %s --shell /bin/bash %s", workspaceHome, workspaceUser)
		}
		return u, true, nil
	}
	return User{}, false, nil
}

// useraddArgs asks for the usual id where neither a user nor a group has it, and
// joins the group of that name where there is one already.
func useraddArgs(passwd, groups string) []string {
	args := []string{"--no-create-home", "--home-dir", workspaceHome, "--shell", "/bin/bash"}
	if hasField(groups, 0, workspaceUser) {
		args = append(args, "--gid", workspaceUser)
	} else {
		args = append(args, "--user-group")
	}
	id := strconv.Itoa(workspaceUID)
	if !hasField(passwd, 2, id) && !hasField(groups, 2, id) {
		args = append(args, "--uid", id)
	}
	return append(args, workspaceUser)
}

// hasField tells whether a line of a colon-separated file has a value in a column.
func hasField(text string, column int, value string) bool {
	for line := range strings.Lines(text) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) > column && f[column] == value {
			return true
		}
	}
	return false
}
