module github.com/anacrolix/go-utp

go 1.26

require github.com/anacrolix/utp v0.1.0

require (
	github.com/anacrolix/missinggo v1.3.0 // indirect
	github.com/anacrolix/missinggo/perf v1.0.0 // indirect
	github.com/anacrolix/missinggo/v2 v2.7.3 // indirect
	github.com/anacrolix/sync v0.5.5-0.20251119100342-d78dd1f686f1 // indirect
	github.com/huandu/xstrings v1.3.2 // indirect
)
