//go:build tools

// Package tools pins the Pulumi CLI that the engine conformance suite runs against.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
