// SPDX-License-Identifier: Apache-2.0

package nsinspect

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// TestNoNamesOfOtherSoftware holds that nsinspect and the packages below it know the kernel
// only: how container runtimes and network plugins name things is handed to them.
func TestNoNamesOfOtherSoftware(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`(?i)containerd|docker|cri-?o\b|libpod|podman|nerdctl|kube|cilium|calico|netavark|portmap|runc|crun`)
	files := 0
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if _, ok := node.(*ast.ImportSpec); ok {
				return false
			}
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING && names.MatchString(literal.Value) {
				t.Errorf("%s: %s is a name of other software", set.Position(literal.Pos()), literal.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 30 {
		t.Errorf("only %d files were looked at", files)
	}
}
