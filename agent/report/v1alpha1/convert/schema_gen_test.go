// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/inventory"
	"github.com/nsaudit/nsaudit/agent/level"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/runtimes"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// object is a JSON object.
type object = map[string]any

// generator makes a JSON Schema of the types of package v1alpha1, and of their comments.
type generator struct {
	// comments are by type, and by type and field: "Scan", "Scan.Node".
	comments map[string]string
	defs     object
	// strict lets an object have no property that its type does not.
	strict bool
}

func schemaOf(t *testing.T, document any, strict bool) object {
	t.Helper()
	g := &generator{comments: comments(t, "../*.go"), defs: object{}, strict: strict}
	root := g.of(reflect.TypeOf(document))
	name := reflect.TypeOf(document).Name()
	fields := g.defs[name].(object)["properties"].(object)
	fields["apiVersion"] = object{"const": v1alpha1.APIVersion}
	fields["kind"] = object{"const": name}
	return object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   v1alpha1.APIVersion + " " + name,
		"$ref":    root["$ref"],
		"$defs":   g.defs,
	}
}

// words are the fixed sets of words that some types stand for.
func words(t reflect.Type) []any {
	switch t {
	case reflect.TypeFor[v1alpha1.Check]():
		return list(audit.Checks())
	case reflect.TypeFor[v1alpha1.Verdict]():
		return list(audit.Verdicts())
	case reflect.TypeFor[v1alpha1.Severity]():
		return list(audit.Severities())
	case reflect.TypeFor[v1alpha1.Declarer]():
		return list(inventory.Declarers())
	case reflect.TypeFor[v1alpha1.Cause]():
		return list(snapshot.Causes())
	case reflect.TypeFor[v1alpha1.Protocol]():
		return list(socket.Protocols())
	case reflect.TypeFor[v1alpha1.HostReference]():
		return list([]nsinspect.HostSource{nsinspect.ByHostPID, nsinspect.ByPID1, runtimes.Containerd, nsinspect.ByKthreadd, nsinspect.ByNone})
	case reflect.TypeFor[v1alpha1.Level]():
		return list(level.Levels())
	case reflect.TypeFor[v1alpha1.Kind]():
		return list(each(nsinspect.Kinds(), nsinspect.Kind.String))
	}
	return nil
}

func list[T ~string](words []T) []any {
	return each(words, func(word T) any { return string(word) })
}

func (g *generator) of(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.String:
		schema := object{"type": "string"}
		if words := words(t); words != nil {
			schema["enum"] = words
		}
		return schema
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number", "minimum": 0}
	case reflect.Int, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Uint16:
		return object{"type": "integer", "minimum": 0, "maximum": 1<<16 - 1}
	case reflect.Slice:
		return object{"type": "array", "items": g.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "propertyNames": g.of(t.Key()), "additionalProperties": g.of(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return object{"type": "string", "format": "date-time"}
		}
		return g.ref(t)
	default:
		panic("no schema for " + t.String())
	}
}

// ref refers to the definition of a struct.
func (g *generator) ref(t reflect.Type) object {
	if _, done := g.defs[t.Name()]; !done {
		properties, required := object{}, []string{}
		definition := object{"type": "object", "description": g.comments[t.Name()], "properties": properties}
		g.defs[t.Name()] = definition
		g.fields(t, properties, &required)
		definition["required"] = required
		if g.strict {
			definition["additionalProperties"] = false
		}
	}
	return object{"$ref": "#/$defs/" + t.Name()}
}

// fields adds the properties of a struct, and of those that are embedded in it.
func (g *generator) fields(t reflect.Type, properties object, required *[]string) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			g.fields(field.Type, properties, required)
			continue
		case name == "-":
			continue
		}
		schema := g.of(field.Type)
		if comment := g.comments[t.Name()+"."+field.Name]; comment != "" {
			schema["description"] = comment
		}
		properties[name] = schema
		if !slices.Contains(strings.Split(options, ","), "omitempty") {
			*required = append(*required, name)
		}
	}
}

// comments reads the comments of the types in some files.
func comments(t *testing.T, pattern string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("files %v, %v", paths, err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			decl, ok := node.(*ast.GenDecl)
			if !ok || decl.Tok != token.TYPE {
				return true
			}
			spec := decl.Specs[0].(*ast.TypeSpec)
			found[spec.Name.Name] = sentence(decl.Doc)
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range fields.Fields.List {
					for _, name := range field.Names {
						found[spec.Name.Name+"."+name.Name] = sentence(field.Doc)
					}
				}
			}
			return true
		})
	}
	return found
}

func sentence(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}
