# Sourced by the scripts beside it; none of it runs by itself.

set -euo pipefail

setup_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools_dir=$(cd "$setup_dir/../tools" && pwd)

say() { printf '==> %s\n' "$*" >&2; }

die() {
	printf 'nsaudit: %s\n' "$*" >&2
	exit 1
}

# The pins live in the tool modules' go.mod and nowhere else.
pinned() { # MODULE-DIR MODULE
	awk -v module="$2" '$1 == module { print substr($2, 2); exit }' "$tools_dir/$1/go.mod"
}

# Everything that decides what a build gives: the dependencies, the compiler, and the recipe itself.
key_of() { # FILE...
	{
		go env GOVERSION GOOS GOARCH
		cat "$@" "$setup_dir/lib.sh"
	} | sha256sum | cut -d' ' -f1
}

# cached DIR KEY BUILD runs BUILD with an empty directory and makes that DIR, unless DIR was built from KEY before.
# A killed or failed build leaves no DIR behind that looks whole, and two runs at a time don't build twice.
cached() {
	local dir=$1 key=$2 build=$3 parent
	parent=$(dirname "$dir")
	if [[ "$(cat "$dir/.key" 2>/dev/null)" == "$key" ]]; then
		return
	fi
	mkdir -p "$parent"
	exec 9>"$parent/.lock"
	flock 9
	if [[ "$(cat "$dir/.key" 2>/dev/null)" == "$key" ]]; then
		exec 9>&-
		return
	fi
	scratch=$(mktemp -d "$parent/.tmp.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	mkdir "$scratch/new"
	"$build" "$scratch/new"
	printf '%s\n' "$key" >"$scratch/new/.key"
	if [[ -e "$dir" ]]; then
		mv -T "$dir" "$scratch/old"
	fi
	mv -T "$scratch/new" "$dir"
	rm -rf "$scratch"
	exec 9>&-
	say "$(basename "$dir") is ready in $dir"
}

# Static, so that one build runs in a scratch root, a VM and a container of any distribution.
go_build() { # MODULE-DIR OUTPUT-DIR PACKAGE...
	local module=$1 out=$2
	shift 2
	CGO_ENABLED=0 go build -C "$tools_dir/$module" -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' \
		-tags no_btrfs,no_devmapper,no_zfs -o "$out/" "$@"
}

build_cni() { # OUTPUT-DIR
	local plugins=github.com/containernetworking/plugins/plugins
	mkdir -p "$1"
	go_build containerd "$1" "$plugins"/main/{ptp,bridge,loopback} "$plugins/ipam/host-local" "$plugins/meta/portmap"
}

# Static too, with C code and libseccomp in it.
build_runc() { # OUTPUT-DIR
	CGO_ENABLED=1 go build -C "$tools_dir/runc" -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w -extldflags -static' \
		-tags seccomp,netgo,osusergo -o "$1/" github.com/opencontainers/runc
}

# Debian's packages are unpacked beside the caller's files, never installed: an installed containerd would be started.
unpack_deb() { # OUTPUT-DIR PACKAGE[=VERSION]
	local debs=$1/.debs
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		die "${2%%=*} is taken from Debian's package of that name, and this machine has no apt-get or no dpkg-deb"
	fi
	mkdir -p "$debs"
	(cd "$debs" && apt-get -qq -o APT::Sandbox::User=root download "$2") ||
		die "apt-get could not download $2; if its lists are old, run: apt-get update"
	dpkg-deb -x "$debs/${2%%=*}"_*.deb "$debs/root"
	dpkg-deb -f "$debs/${2%%=*}"_*.deb Package Version | sed 's/^[^:]*: //' | paste -sd' ' >>"$1/VERSIONS"
	rm -f "$debs"/*.deb
}

# Debian's runc is the one binary here that is not static.
check_libraries() { # BINARY...
	local binary missing
	for binary in "$@"; do
		missing=$(ldd "$binary" 2>/dev/null | awk '/not found/ { print $1 }' | paste -sd' ')
		[[ -z "$missing" ]] || die "$(basename "$binary") needs $missing, which this machine lacks; run: make deps-integration"
	done
}
