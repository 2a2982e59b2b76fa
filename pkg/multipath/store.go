package multipath

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/durable"
	"github.com/braid-csi/braid/pkg/nvme"
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
	// Moved are the paths to expect, if an address has moved.
	Moved []expectation `json:"moved,omitempty"`
	// LeftOut is what discovery controllers list beside what the volume asks for;
	// absent is not empty: it is not known.
	LeftOut []nvme.TransportID `json:"leftOut,omitzero"`
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
		volumes[r.Volume.ID] = &staged{Volume: r.Volume, Head: r.Head, releasing: r.Releasing, foreign: r.Foreign, sources: r.Sources, moved: r.Moved, leftOut: r.LeftOut}
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
		Sources: v.sources, Moved: v.moved, LeftOut: v.leftOut,
	}, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path(v.ID), append(b, '\n'), 0o600)
}

func (s store) remove(volumeID string) error { return durable.RemoveFile(s.path(volumeID)) }

// maintenanceFile is beside the volumes' records, and is none of them.
const maintenanceFile = "maintenance"

func (s store) saveMaintenance(all map[nvme.TransportID]Maintenance) error {
	path := filepath.Join(s.dir, maintenanceFile)
	if len(all) == 0 {
		return durable.RemoveFile(path)
	}
	b, err := json.MarshalIndent(slices.Collect(maps.Values(all)), "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(b, '\n'), 0o600)
}

// loadMaintenance reads what saveMaintenance wrote. What cannot be read is set
// aside: without it paths are connected and found missing as always.
func (s store) loadMaintenance(ctx context.Context) (map[nvme.TransportID]Maintenance, error) {
	path := filepath.Join(s.dir, maintenanceFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Maintenance
	if err := json.Unmarshal(b, &list); err != nil {
		kept, asideErr := durable.SetAside(path)
		if asideErr != nil {
			return nil, fmt.Errorf("%w, and it cannot be set aside: %w", err, asideErr)
		}
		klog.FromContext(ctx).Error(err, "The record of maintenance is set aside; there is none now", "kept", kept)
		return nil, nil
	}
	all := map[nvme.TransportID]Maintenance{}
	for _, m := range list {
		all[m.Address] = m
	}
	return all, nil
}

// path makes a file name of any volume ID.
func (s store) path(volumeID string) string {
	sum := sha256.Sum256([]byte(volumeID))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}
