// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/nsaudit/nsaudit/agent/audit"
	"github.com/nsaudit/nsaudit/agent/report/reporttest"
	"github.com/nsaudit/nsaudit/agent/report/v1alpha1"
	"github.com/nsaudit/nsaudit/agent/snapshot"
	"github.com/nsaudit/nsaudit/nsinspect/socket"
)

// TestSchema holds the JSON Schema against the types: "go test -update" writes it anew.
func TestSchema(t *testing.T) {
	t.Parallel()
	text, err := json.MarshalIndent(schemaOf(t, v1alpha1.Scan{}, false), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, "../../../../docs/schema/v1alpha1/scan.json", string(text)+"\n")
}

// everything is a document with all that a document can have.
func everything(t *testing.T) map[string]any {
	t.Helper()
	snap := reporttest.Snapshot()
	gap := snapshot.Gap{Cause: snapshot.CauseDenied, Detail: "no right"}
	snap.Host.Containers = []string{"outer"}
	snap.Ports.NoSockets = map[socket.Protocol]snapshot.Gap{socket.UDP: gap}
	snap.Ports.NoForwards, snap.Ports.Datapath = []snapshot.Gap{gap}, "Cilium"
	snap.Containers[0].Declared.PortsDetail, snap.Containers[0].Sandbox = "Docker", true
	var b bytes.Buffer
	result := reporttest.Ruled(snap)
	result.Levels = podLevels(snap)
	if err := FromResult(result, Filter{}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	return decode(t, &b)
}

func decode(t *testing.T, b *bytes.Buffer) map[string]any {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return document.(map[string]any)
}

// compile returns the schema, which where it is strict knows every property.
func compile(t *testing.T, strict bool) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schemaOf(t, v1alpha1.Scan{}, strict))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("scan.json", decode(t, bytes.NewBuffer(text))); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("scan.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestDocumentsFitTheSchema(t *testing.T) {
	t.Parallel()
	if err := compile(t, true).Validate(everything(t)); err != nil {
		t.Errorf("a document with everything: %v", err)
	}
	var b bytes.Buffer
	if err := FromResult(audit.Judge(new(snapshot.Snapshot)), Filter{}).JSON(&b); err != nil {
		t.Fatal(err)
	}
	empty := decode(t, &b)
	empty["host"].(map[string]any)["reference"] = "none"
	if err := compile(t, true).Validate(empty); err != nil {
		t.Errorf("a document with nothing: %v", err)
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	finding := func(document map[string]any) map[string]any {
		return document["findings"].([]any)[0].(map[string]any)
	}
	tests := map[string]struct {
		spoil func(document map[string]any)
		where string
	}{
		"another kind":        {func(d map[string]any) { d["kind"] = "Snapshot" }, "/kind"},
		"another version":     {func(d map[string]any) { d["apiVersion"] = "v2" }, "/apiVersion"},
		"no findings":         {func(d map[string]any) { delete(d, "findings") }, "findings"},
		"null for a list":     {func(d map[string]any) { d["findings"] = nil }, "/findings"},
		"a time of its own":   {func(d map[string]any) { d["time"] = "yesterday" }, "/time"},
		"an unknown check":    {func(d map[string]any) { finding(d)["check"] = "HostTime" }, "/findings/0/check"},
		"a port too large":    {func(d map[string]any) { firstPort(finding(d))["hostPort"] = json.Number("65536") }, "hostPort"},
		"a negative pid":      {func(d map[string]any) { d["host"].(map[string]any)["pid"] = json.Number("-1") }, "/host/pid"},
		"an unknown kind":     {func(d map[string]any) { finding(d)["evidence"].(map[string]any)["kind"] = "net2" }, "kind"},
		"no id":               {func(d map[string]any) { delete(finding(d), "id") }, "id"},
		"an unknown verdict":  {func(d map[string]any) { finding(d)["verdict"] = "Guilty" }, "/findings/0/verdict"},
		"an unknown severity": {func(d map[string]any) { finding(d)["severity"] = "awful" }, "/findings/0/severity"},
		"expected by no rule": {func(d map[string]any) { finding(d)["expected"] = true }, "/findings/0/expected"},
		"no summary":          {func(d map[string]any) { delete(d, "summary") }, "summary"},
		"a cause of its own":  {func(d map[string]any) { firstUnknown(d)["cause"] = "whim" }, "cause"},
	}
	schema := compile(t, false)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := everything(t)
			test.spoil(document)
			if err := schema.Validate(document); err == nil || !strings.Contains(err.Error(), test.where) {
				t.Errorf("Validate: %v, want an error about %s", err, test.where)
			}
		})
	}
}

func firstPort(finding map[string]any) map[string]any {
	return finding["evidence"].(map[string]any)["ports"].([]any)[0].(map[string]any)
}

func firstUnknown(document map[string]any) map[string]any {
	return document["coverage"].(map[string]any)["unknown"].([]any)[0].(map[string]any)
}
