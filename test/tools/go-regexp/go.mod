module sluice.dev/test/tools/go-regexp

go 1.26.0
