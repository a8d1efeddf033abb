// A gRPC server and client that know nothing of proxies: what stands between them has to carry all of it.
//
//	grpc-peer serve ADDRESS            serves without TLS until it is ended
//	grpc-peer call ADDRESS AUTHORITY   makes all calls and prints a JSON object of their outcomes
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1])
	case len(args) == 3 && args[0] == "call":
		outcomes, err := callAll(context.Background(), args[1], args[2])
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(outcomes)
	}
	return fmt.Errorf("usage: grpc-peer serve ADDRESS | grpc-peer call ADDRESS AUTHORITY")
}
