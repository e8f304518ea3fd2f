module github.com/anacrolix/go-utp

go 1.26

require github.com/anacrolix/utp v0.1.0

require (
	github.com/anacrolix/missinggo v1.3.0
	github.com/anacrolix/sync v0.5.5-0.20251119100342-d78dd1f686f1
)
