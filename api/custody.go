package api

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// custody shows docs/money.md: whom its readers have to trust with what.
func custody(w http.ResponseWriter, r *http.Request) {
	page, err := custodyPage()
	if err != nil {
		refuse(w, r, fmt.Errorf("draw /docs/money: %w", err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

var custodyPage = sync.OnceValues(func() ([]byte, error) {
	text, err := docsFiles.ReadFile("docs/money.md")
	if err != nil {
		return nil, err
	}
	var body, page bytes.Buffer
	table := extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))
	if err := goldmark.New(goldmark.WithExtensions(table)).Convert(text, &body); err != nil {
		return nil, err
	}
	err = docsPages.ExecuteTemplate(&page, "text.html", struct {
		Title string
		Body  template.HTML
	}{"Who holds your money", template.HTML(body.String())}) // #nosec G203 -- our own page
	return page.Bytes(), err
})
