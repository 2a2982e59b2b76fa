package volume

import (
	"context"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Usage is how much of something there is, and of that in use and available
// to users. The last two are zero where they are not known.
type Usage struct{ Total, Used, Available int64 }

// Stats is the usage of a volume.
type Stats struct {
	Bytes Usage
	// Inodes is zero for a raw device, which has none.
	Inodes Usage
}

// Stats returns the usage of what is mounted. A raw device has a size only.
// Whoever asks about a path that is being asked already gets the same answer:
// of a mount that hangs, one goroutine at most hangs too.
func (v *Volumes) Stats(ctx context.Context, m Mount) (Stats, error) {
	if m.Raw() {
		size, err := v.Size(m.DevNum)
		return Stats{Bytes: Usage{Total: size}}, err
	}
	return v.stats.shared(ctx, m.Path, func() (Stats, error) {
		var st unix.Statfs_t
		if err := v.sys.Statfs(m.Path, &st); err != nil {
			return Stats{}, &fs.PathError{Op: "statfs", Path: m.Path, Err: err}
		}
		return fileSystemStats(&st), nil
	})
}

// fileSystemStats reads what statfs(2) returned: blocks in units of f_bsize,
// of which some are free only to root.
func fileSystemStats(st *unix.Statfs_t) Stats {
	size := st.Bsize
	return Stats{
		Bytes: Usage{
			Total:     int64(st.Blocks) * size,
			Used:      int64(st.Blocks-min(st.Bfree, st.Blocks)) * size,
			Available: int64(st.Bavail) * size,
		},
		Inodes: Usage{
			Total:     int64(st.Files),
			Used:      int64(st.Files - min(st.Ffree, st.Files)),
			Available: int64(st.Ffree),
		},
	}
}
