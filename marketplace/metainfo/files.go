package metainfo

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// files reads the v1 list of files, or the one file, into p.t.Files and p.t.Size.
func (p *parser) files(info value) error {
	if !p.t.V1 {
		return nil // the v2 tree has them
	}
	f := info.fields("files", "length")
	if f[0] == nil {
		length, ok := f[1].integer()
		if !ok {
			return refuse("has neither files nor a length")
		}
		return p.add(File{Path: []string{p.t.Name}, Length: length})
	}
	if !f[0].isList() || f[1] != nil {
		return refuse("has a list of files that is none, or a length beside it")
	}
	for v := range f[0].items() {
		if len(p.t.Files) >= p.limits.Files {
			return refuse("has more than %d files", p.limits.Files)
		}
		file, err := p.file(v)
		if err != nil {
			return err
		}
		if err := p.add(file); err != nil {
			return err
		}
	}
	return clashes(p.t.Files, p.limits.EqualNames)
}

func (p *parser) add(f File) error {
	if f.Length < 0 || f.Length > p.limits.SizeMax-p.t.Size {
		return refuse("has a file of %d bytes; at most %d in all", f.Length, p.limits.SizeMax)
	}
	f.Offset = p.t.Size
	p.t.Size += f.Length
	p.t.Files = append(p.t.Files, f)
	return nil
}

func (p *parser) file(v value) (File, error) {
	f := v.fields("attr", "length", "path", "path.utf-8")
	file := File{Path: []string{p.t.Name}}
	attr, _ := f[0].text()
	file.Pad = slices.Contains(attr, 'p')
	length, ok := f[1].integer()
	if !ok {
		return file, refuse("has a file without a length")
	}
	file.Length = length
	path := f[3]
	if !path.isList() {
		path = f[2]
	}
	for part := range path.items() {
		name, ok := part.text()
		if !ok || len(file.Path) > p.limits.DirDepth {
			return file, refuse("has a path that is no list of at most %d names", p.limits.DirDepth)
		}
		safe, err := p.part(name)
		if err != nil {
			return file, err
		}
		file.Path = append(file.Path, safe)
	}
	if len(file.Path) == 1 {
		return file, refuse("has a file without a path")
	}
	return file, nil
}

// part returns one part of a path, safe to create on any system. Bytes that are no UTF-8 (old
// torrents in local encodings) become "_": the content is found by its place, not by its name.
func (p *parser) part(raw []byte) (string, error) {
	if len(raw) > p.limits.NameBytes {
		return "", refuse("has a name of %d bytes; at most %d", len(raw), p.limits.NameBytes)
	}
	name := string(raw)
	if !utf8.ValidString(name) {
		name = strings.ToValidUTF8(name, "_")
	}
	switch {
	case name == "" || name == "." || name == "..":
		return "", refuse("has the name %q in a path, which leads elsewhere", name)
	case strings.ContainsAny(name, `/\`):
		return "", refuse("has a slash in the name %q", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", refuse("has control characters in the name %q", name)
	case isDevice(name):
		return "", refuse("has the name %q, which is a device on some systems", name)
	}
	return name, nil
}

// isDevice knows the names that Windows gives to devices, with any extension, and drive letters.
func isDevice(name string) bool {
	if len(name) == 2 && name[1] == ':' {
		return true
	}
	base, _, _ := strings.Cut(name, ".")
	base, _, _ = strings.Cut(base, ":")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, ok := strings.CutPrefix(base, "COM")
	if !ok {
		port, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && slices.Contains([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²",
		"³"}, port)
}

// clashes refuses paths that cannot stand side by side: two equal ones, or a file where another
// has a folder. Paths that differ by letter case only are a file system's matter, up to a limit.
func clashes(files []File, equalMax int) error {
	isFile := make(map[string]bool, len(files))
	folded := make(map[string]int, len(files))
	for _, f := range files {
		if f.Pad {
			continue
		}
		path := strings.Join(f.Path, "/")
		if isFile[path] {
			return refuse("has two files %q", path)
		}
		isFile[path] = true
		lower := strings.ToLower(path)
		if folded[lower]++; folded[lower] > equalMax {
			return refuse("has more than %d files %q but for letter case", equalMax, path)
		}
	}
	for _, f := range files {
		path := strings.Join(f.Path, "/")
		for i := strings.IndexByte(path, '/'); i >= 0 && !f.Pad; {
			if isFile[path[:i]] {
				return refuse("has a file %q and files below it", path[:i])
			}
			next := strings.IndexByte(path[i+1:], '/')
			if next < 0 {
				break
			}
			i += 1 + next
		}
	}
	return nil
}
