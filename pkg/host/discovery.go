package host

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"k8s.io/klog/v2"

	"github.com/braid-csi/braid/pkg/nvmetcp"
)

// maxDiscoveryRecords bounds what a discovery controller can make us read.
const maxDiscoveryRecords = 4096

// Discover connects to a discovery controller, reads its log and disconnects.
// Of cfg, SubsystemNQN may be empty: every discovery controller has the same.
// Records of other transports than TCP are left out, and so are those that make
// no sense.
func Discover(ctx context.Context, cfg Config) ([]nvmetcp.DiscoveryRecord, error) {
	setDefault(&cfg.SubsystemNQN, nvmetcp.DiscoveryNQN)
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var adminErrors atomic.Uint64
	a, err := associate(ctx, &cfg, 0, &adminErrors)
	if err != nil {
		return nil, fmt.Errorf("discovery at %s: %w", cfg.Address, err)
	}
	defer func() {
		if err := a.halt(ctx, cfg.AdminTimeout, nvmetcp.ShutdownConfiguration, nvmetcp.ControllerShutdown, nvmetcp.ControllerShutdown); err != nil {
			klog.FromContext(ctx).V(1).Info("Discovery controller did not shut down", "address", cfg.Address, "err", err)
		}
		a.stop()
		a.giveBack(time.Time{})
	}()
	records, err := a.discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("discovery at %s: %w", cfg.Address, err)
	}
	return records, nil
}

// discover reads the log until its generation is the same before and after.
func (a *association) discover(ctx context.Context) ([]nvmetcp.DiscoveryRecord, error) {
	before, n, err := a.discoveryHeader(ctx)
	if err != nil {
		return nil, err
	}
	for range maxLogReads {
		if n > maxDiscoveryRecords {
			return nil, fmt.Errorf("discovery log: %d records, at most %d are read", n, maxDiscoveryRecords)
		}
		records, err := a.discoveryRecords(ctx, n)
		if err != nil {
			return nil, err
		}
		after, m, err := a.discoveryHeader(ctx)
		if err != nil || after == before {
			return records, err
		}
		before, n = after, m
	}
	return nil, fmt.Errorf("discovery log changed during each of %d reads", maxLogReads)
}

func (a *association) discoveryHeader(ctx context.Context) (generation, records uint64, err error) {
	b, err := a.readLog(ctx, nvmetcp.LogRequest{Log: nvmetcp.LogDiscovery, Length: nvmetcp.DiscoveryRecordSize})
	if err != nil {
		return 0, 0, err
	}
	return nvmetcp.ParseDiscoveryHeader(b)
}

// discoveryRecords reads n records, a few with each command.
func (a *association) discoveryRecords(ctx context.Context, n uint64) ([]nvmetcp.DiscoveryRecord, error) {
	var list []nvmetcp.DiscoveryRecord
	const size, most = nvmetcp.DiscoveryRecordSize, 4
	for at := uint64(0); at < n; at += most {
		b, err := a.readLog(ctx, nvmetcp.LogRequest{Log: nvmetcp.LogDiscovery, Offset: (at + 1) * size, Length: min(most, n-at) * size})
		if err != nil {
			return nil, err
		}
		for ; len(b) > 0; b = b[size:] {
			r, ok, err := nvmetcp.ParseDiscoveryRecord(b)
			if err != nil {
				a.log.Info("Discovery record makes no sense", "err", err)
			} else if ok {
				list = append(list, r)
			}
		}
	}
	return list, nil
}
