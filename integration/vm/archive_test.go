package main

import (
	"slices"
	"testing"
)

func TestParseMirrors(t *testing.T) {
	got := parseMirrors(`Get: this line is not a URI
'http://mirror.example/debian/dists/bookworm/InRelease' mirror.example_InRelease 0 
'http://mirror.example/debian/dists/bookworm-updates/InRelease' mirror.example_InRelease 0 
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' mirror.example_InRelease 0 
'http://flat.example/./InRelease' flat.example_InRelease 0 
`)
	want := []string{"http://mirror.example/debian", "http://mirror.example/debian-security"}
	if !slices.Equal(got, want) {
		t.Errorf("parseMirrors() = %q, want %q", got, want)
	}
}

func TestParseDepends(t *testing.T) {
	got := parseDepends("linux-image-6.1\n  Depends: kmod\n  Depends: <linux-initramfs-tool>\n    dracut\n  Recommends: apparmor\n")
	if want := []string{"kmod", "<linux-initramfs-tool>"}; !slices.Equal(got, want) {
		t.Errorf("parseDepends() = %q, want %q", got, want)
	}
}
