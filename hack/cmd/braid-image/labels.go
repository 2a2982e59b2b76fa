package main

import (
	"context"
	"os/exec"
	"strings"
	"time"
)

// licences are those of Braid, of the Go modules in it and of Debian's
// programs; their texts are in /usr/share/doc.
const licences = "Apache-2.0 AND BSD-3-Clause AND GPL-2.0-only AND GPL-2.0-or-later AND LGPL-2.1-or-later AND MIT"

// labels are OCI's annotations (OCI image specification, annotations).
func labels(ctx context.Context, source, version string, created time.Time) map[string]string {
	l := map[string]string{
		"title":       "Braid",
		"description": "CSI node plugin for NVMe-oF that tells when a path is lost",
		"source":      "https://github.com/braid-csi/braid",
		"licenses":    licences,
		"version":     version,
		"created":     created.Format(time.RFC3339),
	}
	// Sources without git have no revision.
	if out, err := exec.CommandContext(ctx, "git", "-C", source, "rev-parse", "HEAD").Output(); err == nil {
		l["revision"] = strings.TrimSpace(string(out))
	}
	all := map[string]string{}
	for key, value := range l {
		all["org.opencontainers.image."+key] = value
	}
	return all
}
