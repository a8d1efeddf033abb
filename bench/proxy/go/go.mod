module sluice.dev/bench/proxy

go 1.26
