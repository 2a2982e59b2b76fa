package debian

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMachineMirrors(t *testing.T) {
	const deb822 = `Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
`
	for name, tt := range map[string]struct {
		files map[string]string
		want  mirrors
	}{
		"nothing": {
			want: mirrors{fallbackArchive, fallbackSecurity},
		},
		"deb822, third parties first": {
			files: map[string]string{
				"sources.list.d/a.sources":      "Types: deb\nURIs: https://other.example/apt\nSuites: stable\n",
				"sources.list.d/debian.sources": deb822,
			},
			want: mirrors{"http://mirror.example/debian", "http://mirror.example/debian-security"},
		},
		"deb822, disabled": {
			files: map[string]string{"sources.list.d/debian.sources": "Enabled: no\n" + deb822},
			want:  mirrors{fallbackArchive, "http://mirror.example/debian-security"},
		},
		"classic": {
			files: map[string]string{"sources.list": "# deb http://old.example/debian x main\n" +
				"deb-src http://src.example/debian trixie main\n" +
				"deb [arch=amd64 signed-by=/x.gpg] http://near.example/debian/ trixie main\n"},
			want: mirrors{"http://near.example/debian/", fallbackSecurity},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, content := range tt.files {
				file = filepath.Join(root, "etc/apt", file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := machineMirrors(root); got != tt.want {
				t.Errorf("machineMirrors = %+v, want %+v", got, tt.want)
			}
		})
	}
}
