package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// makeContent writes about size bytes of files in several folders below dir: the archive of a
// small museum, as if. The same seed gives the same bytes.
func makeContent(dir string, size int64, seed uint64) error {
	parts := []struct {
		path  string
		share int64 // of 64
	}{
		{"scans/1911/plate-001.tif", 20}, {"scans/1911/plate-002.tif", 16},
		{"scans/1912/plate-001.tif", 12}, {"recordings/side-a.flac", 9},
		{"recordings/side-b.flac", 6}, {"catalogue.csv", 1},
	}
	source := rand.NewChaCha8(sha256.Sum256(binary.BigEndian.AppendUint64(nil, seed)))
	for _, p := range parts {
		if err := writeNoise(filepath.Join(dir, p.path), source, size*p.share/64); err != nil {
			return err
		}
	}
	readme := "The museum's archive, made up for a demonstration.\n"
	return os.WriteFile(filepath.Join(dir, "README.txt"), []byte(readme), 0o600)
}

func writeNoise(path string, source io.Reader, n int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make content folder: %w", err)
	}
	f, err := os.Create(path) // #nosec G304 -- a name of our own making
	if err != nil {
		return fmt.Errorf("make content: %w", err)
	}
	_, err = io.CopyN(f, source, n)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make content: %w", err)
	}
	return nil
}

// fingerprint returns one hash over the names and bytes of everything at path, a file or folder.
func fingerprint(path string) (string, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	defer root.Close()
	all, base := sha256.New(), filepath.Base(path)
	err = fs.WalkDir(root.FS(), base, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		one := sha256.New()
		if _, err := io.Copy(one, f); err != nil {
			return err
		}
		_, err = fmt.Fprintf(all, "%s %x\n", strings.TrimPrefix(name, base), one.Sum(nil))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

// corrupt flips bytes in every file below dir, one in each 16 KiB block, and keeps sizes and
// times: what a failing disk does. It returns how many files it spoilt.
func corrupt(dir string) (n int, err error) {
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		n++
		return spoil(name)
	})
	return n, err
}

func spoil(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0) // #nosec G304 -- found by walking
	if err != nil {
		return err
	}
	defer f.Close()
	one := make([]byte, 1)
	for at := int64(0); at < info.Size(); at += 16 << 10 {
		if _, err := f.ReadAt(one, at); err != nil {
			return err
		}
		one[0] ^= 0xff
		if _, err := f.WriteAt(one, at); err != nil {
			return err
		}
	}
	return os.Chtimes(name, info.ModTime(), info.ModTime())
}
