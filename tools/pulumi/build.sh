#!/bin/sh
# Builds the Pulumi CLI that the engine conformance suite runs against, once a machine, where none can be downloaded.
# The version and everything below it is pinned by go.mod and go.sum beside this file. Needs Go and its module proxy;
# takes some ten minutes. Does nothing when it is there; several runs at once do no harm, as each builds aside and the
# result is moved into place at once.
set -eu

version=v3.253.0
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# CELL_PULUMI_OUT: another folder, and with it GOOS and GOARCH of another platform.
folder=${CELL_PULUMI_OUT:-${CELL_CACHE:-$HOME/.cache/cell}/pulumi/$version}
[ -x "$folder/pulumi" ] && exit 0

command -v go >/dev/null || { echo "tools/pulumi/build.sh: there is no go on PATH" >&2; exit 1; }
grep -q "github.com/pulumi/pulumi/pkg/v3 $version" "$here/go.mod" || {
  echo "tools/pulumi/build.sh: go.mod pins another version than $version" >&2
  exit 1
}

mkdir -p "$folder"
draft=$folder/.pulumi.$$
trap 'rm -f "$draft"' EXIT
trap 'exit 1' INT TERM
cd "$here"
CGO_ENABLED=0 go build -mod=readonly -trimpath \
  -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$version" \
  -o "$draft" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi
[ -n "${GOOS:-}${GOARCH:-}" ] || "$draft" version >/dev/null
mv -f "$draft" "$folder/pulumi"
