package story

import (
	"context"
	"fmt"

	"github.com/braid-csi/braid/hack/lab"
)

func (s *Story) end(ctx context.Context) error {
	stats, err := s.writer.Stop(ctx)
	s.stats = stats
	if err := s.claim(err, "the writer stops, and reads everything once more past all caches", "no error, all as written"); err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl", "delete", "pod/"+pod, "pvc/"+volume, "pv/"+volume); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := all(
		s.claim(s.lab.WaitNoPathSet(waiting, volume), "the path set is gone", "gone"),
		s.claim(s.lab.WaitDetached(waiting, volume), "the VolumeAttachment is gone", "gone"),
		s.claim(s.lab.WaitNodeEmpty(waiting, s.rig), "no controller, mount, staging file or record is left on "+lab.NodeName, "nothing left"),
	); err != nil {
		return err
	}
	books, err := s.lab.Ledger(ctx)
	return all(err,
		s.claimThat(len(books) > 0, fmt.Sprintf("the ledger stays: %d files in %s/ledger", len(books), lab.StateDir), "at least one"),
		s.keep(ctx, "4-end"),
	)
}

func (s *Story) account(ctx context.Context) error {
	stall := s.stats.Stall.Length()
	return all(
		s.claimThat(s.stats.Written > 0, fmt.Sprintf("%d blocks written", s.stats.Written), "some"),
		s.claimThat(s.stats.Verified > s.stats.Written, fmt.Sprintf("%d blocks read back and verified", s.stats.Verified), "each one, and all places again at the end"),
		s.claimThat(s.stats.Mismatches == 0, fmt.Sprintf("%d mismatches", s.stats.Mismatches), "0"),
		s.claimThat(stall < longestStall, fmt.Sprintf("longest stall %.2f s, over cut, repair and upgrade", stall.Seconds()), fmt.Sprintf("less than %s", longestStall)),
		s.lab.Uninstall(ctx),
	)
}
