package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"photofinish/localdev/template"
)

const root = "../.."

// variables are those that the code reads: the env tags of its settings, and
// calls of os.Getenv. Each with its default, "" where there is none.
func variables(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range []string{"functions", "shared"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "redistest") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Field:
					if n.Tag == nil {
						break
					}
					text, err := strconv.Unquote(n.Tag.Value)
					if err != nil {
						t.Fatal(err)
					}
					tag := reflect.StructTag(text)
					if name, _, _ := strings.Cut(tag.Get("env"), ","); name != "" {
						found[name] = tag.Get("envDefault")
					}
				case *ast.CallExpr:
					if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Getenv" && len(n.Args) == 1 {
						if lit, ok := n.Args[0].(*ast.BasicLit); ok {
							name, _ := strconv.Unquote(lit.Value)
							found[name] = ""
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// The README's table of variables names those that the code reads, and no other,
// with their defaults.
func TestTheREADMENamesEveryVariable(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Environment variables")
	table, _, _ = strings.Cut(table, "\n## ")
	code := regexp.MustCompile("`([^`]+)`")
	listed := map[string]string{}
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		defaults := code.FindAllStringSubmatch(cells[3], -1)
		for i, name := range code.FindAllStringSubmatch(cells[1], -1) {
			listed[name[1]] = ""
			if i < len(defaults) && defaults[i][1] != "false" {
				listed[name[1]] = defaults[i][1]
			}
		}
	}
	read := variables(t)
	for _, name := range slices.Sorted(maps.Keys(read)) {
		if value, ok := listed[name]; !ok {
			t.Errorf("%s is read, and not in the README's table", name)
		} else if value != read[name] {
			t.Errorf("the default of %s is %q, the README says %q", name, read[name], value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if _, ok := read[name]; !ok {
			t.Errorf("%s is in the README's table, and nothing reads it", name)
		}
	}
}

// The template sets no variable that nothing reads, and it resolves with the
// parameters of samconfig.toml without a warning.
func TestTheTemplateIsThatOfTheCode(t *testing.T) {
	config, err := template.ReadConfig(filepath.Join(root, "samconfig.toml"), "")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := template.Parse(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	app, err := parsed.Resolve(template.Options{Parameters: config.Parameters, Cache: template.Endpoint{Host: "127.0.0.1", Port: 6379}})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range app.Warnings {
		t.Errorf("warning: %v", w)
	}
	read := variables(t)
	for _, f := range app.Functions {
		for name := range f.Environment {
			if _, ok := read[name]; !ok {
				t.Errorf("%s sets %s, which nothing reads", f.LogicalID, name)
			}
		}
	}
}
