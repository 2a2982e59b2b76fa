//go:build machines

package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	packBlock = 4096
	packRead  = 1 << 20
)

// pack returns what is on a device: its blocks that are not zero, each after
// its offset, compressed. It reads past the cache, where whatever has not been
// written yet still is, and reads again until nothing has changed meanwhile.
func pack(device string) ([]byte, error) {
	for last := []byte(nil); ; {
		now, err := packOnce(device)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", device, err)
		}
		if bytes.Equal(now, last) {
			return now, nil
		}
		last = now
	}
}

func packOnce(device string) ([]byte, error) {
	f, err := os.OpenFile(device, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf, err := unix.Mmap(-1, 0, packRead, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Munmap(buf) }()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	zero := make([]byte, packBlock)
	for at := int64(0); ; {
		n, err := f.ReadAt(buf, at)
		for b := 0; b+packBlock <= n; b += packBlock {
			if block := buf[b : b+packBlock]; !bytes.Equal(block, zero) {
				if err := errors.Join(binary.Write(z, binary.LittleEndian, at+int64(b)), write(z, block)); err != nil {
					return nil, err
				}
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			err := z.Close()
			return out.Bytes(), err
		}
		if err != nil {
			return nil, err
		}
	}
}

func write(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// unpack writes it to a device that is all zeros.
func unpack(content []byte, device string) error {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, packBlock)
	for {
		var at int64
		switch err := binary.Read(z, binary.LittleEndian, &at); {
		case errors.Is(err, io.EOF):
			return f.Sync()
		case err != nil:
			return err
		}
		if _, err := io.ReadFull(z, block); err != nil {
			return err
		}
		if _, err := f.WriteAt(block, at); err != nil {
			return err
		}
	}
}

func sum(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:8])
}
