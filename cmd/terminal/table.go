package terminal

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/everseed/everseed/marketplace"
)

// A Table is drawn with a header and columns as wide as their widest cell. Columns whose header
// begins with ">" are set flush right.
type Table struct {
	Header []string
	Rows   [][]string
}

// Add appends a row; cells are formatted with %v.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// Write draws the table.
func (t *Table) Write(w io.Writer) error {
	width := make([]int, len(t.Header))
	header := make([]string, len(t.Header))
	for i, h := range t.Header {
		header[i] = strings.TrimPrefix(h, ">")
	}
	for _, row := range append([][]string{header}, t.Rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, row := range append([][]string{header}, t.Rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if strings.HasPrefix(t.Header[i], ">") {
				cell = pad + cell
			} else {
				cell += pad
			}
			line.WriteString(cell + "  ")
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// JSON writes v indented, for --json.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// BTT returns an amount for the eye: whole, or cut after six decimals. JSON has all of it.
func BTT(a marketplace.Amount) string {
	whole, frac, _ := strings.Cut(a.String(), ".")
	frac = strings.TrimRight(frac[:min(len(frac), 6)], "0")
	switch {
	case frac != "":
		return whole + "." + frac
	case whole == "0" && !a.IsZero():
		return "<0.000001"
	default:
		return whole
	}
}
