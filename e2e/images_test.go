//go:build containers

package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/bothylabs/bothy/service/dev/toolchain"
)

// The images of the tests. The last is one that Nomad asks for by this name.
const (
	debianImage    = "bothy-e2e/debian:1"
	editorImage    = "bothy-e2e/code-server:1"
	workspaceImage = "bothy-e2e/workspace:1"
	// treeImage has the Debian package tree, which no other has.
	treeImage  = "bothy-e2e/workspace-tree:1"
	nginxImage = "bothy-e2e/nginx:1"
	pauseImage = "registry.k8s.io/pause-" + runtime.GOARCH + ":3.3"
)

// loadImages gives the engine the images of images/, as they are made where
// there is no registry. They are made once, and kept beside what else is built.
func (e *engine) loadImages(t *testing.T, root string) {
	t.Helper()
	began := time.Now()
	cache, err := toolchain.DefaultCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	paths, err := toolchain.Ensure(t.Context(), toolchain.Config{SourceDir: root}, toolchain.CodeServer, toolchain.Mmdebstrap)
	if err != nil {
		t.Fatalf("prepare what images are made of: %v", err)
	}
	kept := filepath.Join(cache, "images-"+recipeHash(t, filepath.Join(root, "images"), filepath.Base(paths.CodeServer))+".tar")
	if _, err := os.Stat(kept); err == nil {
		e.docker(t, "load", "--quiet", "--input", kept)
		t.Logf("the images were loaded after %s", time.Since(began).Round(time.Second))
		return
	}
	for _, args := range [][]string{
		{"debian", "-tag", debianImage},
		{"code-server", "-from", debianImage, "-code-server", paths.CodeServer, "-tag", editorImage},
		{"workspace", "-from", editorImage, "-tag", workspaceImage},
		{"workspace", "-from", editorImage, "-tag", treeImage, "tree"},
		{"nginx", "-from", debianImage, "-tag", nginxImage},
		{"pause", "-from", debianImage, "-tag", pauseImage},
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(root, "images", "build"), args...)
		cmd.Env = e.environ("HOME=" + e.dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("images/build %v: %v\n%s", args, err, lastLines(string(out), 30))
		}
		t.Logf("%s: %s", time.Since(began).Round(time.Second), lastLines(string(out), 1))
	}
	// Beside the name at first, so that a run that is cut off leaves no half of it.
	partial := fmt.Sprintf("%s.%d", kept, os.Getpid())
	defer os.Remove(partial) // gone when all went well
	e.docker(t, "save", "--output", partial, workspaceImage, treeImage, nginxImage, pauseImage)
	if err := os.Rename(partial, kept); err != nil {
		t.Fatal(err)
	}
	t.Logf("the images were made after %s", time.Since(began).Round(time.Second))
}

// recipeHash changes with everything in the folder, and with what goes in beside it.
func recipeHash(t *testing.T, dir, beside string) string {
	t.Helper()
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s\n", beside, runtime.GOARCH)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) == ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		fmt.Fprintf(sum, "%s %d\n%s", path[len(dir):], len(text), text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}
