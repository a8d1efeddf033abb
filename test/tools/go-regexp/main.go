// Says what Go's regexp makes of patterns: the judge of test/contract/rules/go-regexp.test.ts.
//
// It reads one JSON object per line, {"pattern": base64, "inputs": [base64]}, and answers each with a line: "invalid", or
// one digit for each input, 1 where the pattern matches somewhere.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
)

type question struct {
	Pattern []byte   `json:"pattern"`
	Inputs  [][]byte `json:"inputs"`
}

func main() {
	decoder := json.NewDecoder(bufio.NewReader(os.Stdin))
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for decoder.More() {
		var asked question
		if err := decoder.Decode(&asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprintln(output, answer(asked))
	}
}

func answer(asked question) string {
	compiled, err := regexp.Compile(string(asked.Pattern))
	if err != nil {
		return "invalid"
	}
	var digits strings.Builder
	for _, input := range asked.Inputs {
		if compiled.Match(input) {
			digits.WriteByte('1')
		} else {
			digits.WriteByte('0')
		}
	}
	return digits.String()
}
