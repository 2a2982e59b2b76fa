package multipath

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/durable"
)

// recordVersion is the version of the records on disk. A newer one is refused:
// what it means is not for this program to guess.
const recordVersion = 1

// store keeps one record per volume in a directory.
type store struct{ dir, bootID string }

// record is what stands on disk.
type record struct {
	Version int        `json:"version"`
	BootID  string     `json:"bootID"`
	Volume  Volume     `json:"volume"`
	Head    stagedHead `json:"head,omitzero"`
	// Releasing: the volume is being given up, and disconnecting has begun.
	Releasing bool `json:"releasing,omitempty"`
	// Foreign are the epochs of the subsystem's controllers that were there
	// before the volume and nobody had signed.
	Foreign []string `json:"foreign,omitempty"`
	// Sources are the host's addresses from which the paths left at first.
	Sources map[string]string `json:"sources,omitempty"`
}

// stagedHead is the block device that staging handed out.
type stagedHead struct {
	Name   string `json:"name"`
	DevNum string `json:"devNum"`
	Epoch  string `json:"epoch"`
}

func openStore(dir, bootID string) (store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return store{}, err
	}
	return store{dir: dir, bootID: bootID}, durable.RemoveTemps(dir)
}

// load reads the records of this boot and removes those of others: their
// controllers and mounts are gone, and the volume is staged anew if needed. A
// record that cannot be read is set aside; Release works without it.
func (s store) load(ctx context.Context) (map[string]*staged, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	volumes := map[string]*staged{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		path := filepath.Join(s.dir, e.Name())
		r, err := readRecord(path)
		if err != nil {
			kept, asideErr := durable.SetAside(path)
			if asideErr != nil {
				return nil, fmt.Errorf("%w, and it cannot be set aside: %w", err, asideErr)
			}
			klog.FromContext(ctx).Error(err, "A volume's record is set aside; its volume is found again when it is staged or unstaged", "kept", kept)
			continue
		}
		if r.Version > recordVersion {
			return nil, fmt.Errorf("%s has version %d, this program knows up to %d", path, r.Version, recordVersion)
		}
		if r.BootID != s.bootID {
			if err := durable.RemoveFile(path); err != nil {
				return nil, err
			}
			continue
		}
		volumes[r.Volume.ID] = &staged{Volume: r.Volume, Head: r.Head, releasing: r.Releasing, foreign: r.Foreign, sources: r.Sources}
	}
	return volumes, nil
}

func readRecord(path string) (record, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", path, err)
	}
	if r.Version == 0 || r.Volume.ID == "" || r.Volume.SubsystemNQN == "" {
		return record{}, fmt.Errorf("%s: not a volume's record", path)
	}
	return r, nil
}

func (s store) save(v *staged) error {
	b, err := json.MarshalIndent(record{
		Version: recordVersion, BootID: s.bootID, Volume: v.Volume, Head: v.Head, Releasing: v.releasing, Foreign: v.foreign,
		Sources: v.sources,
	}, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path(v.ID), append(b, '\n'), 0o600)
}

func (s store) remove(volumeID string) error { return durable.RemoveFile(s.path(volumeID)) }

// path makes a file name of any volume ID.
func (s store) path(volumeID string) string {
	sum := sha256.Sum256([]byte(volumeID))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}
