package toolchain

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/bothylabs/bothy/service/lab"
)

// The packages, pinned with their checksums: code-server, and node-gyp, which
// compiles its native modules.
var (
	//go:embed recipe/package.json
	recipePackage []byte
	//go:embed recipe/package-lock.json
	recipeLock []byte
)

const (
	// codeServerNode is the major version of Node.js that code-server is made for.
	codeServerNode = "20"
	// recipeRevision is raised with every change of what is done to the packages
	// below, so that what an older recipe made is not used.
	recipeRevision = "1"
)

// codeServerProgram is where the program is in code-server's folder.
func codeServerProgram(dir string) string { return filepath.Join(dir, "bin", "code-server") }

// codeServerVersion is the version that the recipe pins.
func codeServerVersion() (string, error) {
	var recipe struct{ Dependencies map[string]string }
	if err := json.Unmarshal(recipePackage, &recipe); err != nil {
		return "", fmt.Errorf("read code-server's recipe: %w", err)
	}
	return recipe.Dependencies["code-server"], nil
}

func codeServerKey(version string) string {
	hash := keyHash(recipePackage, recipeLock, []byte(recipeRevision), []byte(runtime.GOOS+"/"+runtime.GOARCH))
	return fmt.Sprintf("code-server-%s-%s", version, hash)
}

// findCodeServer looks for code-server in the cache.
func (e *ensurer) findCodeServer(ctx context.Context) (finding, error) {
	version, err := codeServerVersion()
	if err != nil {
		return finding{}, err
	}
	dir := filepath.Join(e.cfg.CacheDir, codeServerKey(version))
	if e.host.Exists(codeServerProgram(dir)) {
		return finding{path: dir, detail: version + " (built before) " + dir}, nil
	}
	node, npm, err := e.findNode(ctx, version)
	if err != nil {
		return finding{}, err
	}
	return finding{
		missing: e.missingForNode(),
		title:   fmt.Sprintf("installs version %s from npm and compiles its native modules, once (about 1 min)", version),
		make: func(ctx context.Context, p *progress) (string, error) {
			err := makeEntry(ctx, dir, codeServerProgram(""), func() { p.set(waitingText) }, func(partial string) error {
				r := codeServerRecipe{host: e.host, node: node, npm: npm, dir: partial, version: version, progress: p}
				return r.run(ctx)
			})
			return dir, err
		},
	}, nil
}

// findNode finds the Node.js that code-server is compiled for and runs on, and its npm.
func (e *ensurer) findNode(ctx context.Context, version string) (node, npm string, err error) {
	name := e.cfg.Overrides[Node]
	if name == "" {
		name = "node"
	}
	hint := fmt.Sprintf("install Node.js %s with npm, or name one by its setting", codeServerNode)
	if node = e.host.LookPath(name); node == "" {
		return "", "", lab.Errorf(lab.CodeUnavailable, "code-server %s needs Node.js %s, and there is none", version, codeServerNode).WithHint("%s", hint)
	}
	text, err := output(ctx, e.host, command{Path: node, Args: []string{"--version"}})
	if err != nil {
		return "", "", lab.Wrap(lab.CodeUnavailable, err, "%s does not run", node).WithHint("%s", hint)
	}
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "v"+codeServerNode+".") {
		return "", "", lab.Errorf(lab.CodeUnavailable, "code-server %s needs Node.js %s, and %s is %s", version, codeServerNode, node, text).WithHint("%s", hint)
	}
	// npm belongs to a Node.js: the one beside it comes first.
	if npm = filepath.Join(filepath.Dir(node), "npm"); !e.host.Exists(npm) {
		npm = e.host.LookPath("npm")
	}
	if npm == "" {
		return "", "", lab.Errorf(lab.CodeUnavailable, "code-server %s is installed by npm, and there is none", version).WithHint("%s", hint)
	}
	return node, npm, nil
}
