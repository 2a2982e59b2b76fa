package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/braid-csi/braid/hack/check"
)

func (s *story) detach(ctx context.Context) error {
	stats, err := s.writer.Stop()
	s.stats = stats
	return errors.Join(
		claim(err, "the writer stops, and reads everything once more past all caches", "no error, all as written"),
		claim(s.node.Unpublish(ctx, s.volume), "NodeUnpublishVolume", "no error"),
		claim(s.node.Unstage(ctx, s.volume), "NodeUnstageVolume", "no error"),
		claim(check.NothingLeft(kubelet, stateDir, s.volume), "no controller, mount, staging file or record is left on the node", "nothing left"),
		s.ledgerStays(),
	)
}

func (s *story) ledgerStays() error {
	books, err := check.Ledger(stateDir)
	return claim(err, fmt.Sprintf("the ledger stays: %d files in %s/ledger", len(books), stateDir), "at least one")
}

func (s *story) account(context.Context) error {
	stall := s.stats.Stall.Length()
	return errors.Join(
		claimThat(s.stats.Written > 0, fmt.Sprintf("%d blocks written", s.stats.Written), "some"),
		claimThat(s.stats.Verified > s.stats.Written, fmt.Sprintf("%d blocks read back and verified", s.stats.Verified), "each one, and all places again at the end"),
		claimThat(s.stats.Mismatches == 0, fmt.Sprintf("%d mismatches", s.stats.Mismatches), "0"),
		claimThat(stall < longestStall, fmt.Sprintf("longest stall %.2f s, over the cut and the repair", stall.Seconds()), fmt.Sprintf("less than %s", longestStall)),
	)
}
